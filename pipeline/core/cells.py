"""Turns the text of a cell into a value: what counts as missing, as a number, as a boolean.

Training and every door of serving import this, so that a cell means the same to both.
"""

import re
from math import nan
from typing import Final

# What stands for "nothing", in every format, whatever spaces are around it.
MISSING_TOKENS: Final = frozenset(
    {"", "?", "-", "--", ".", "NA", "N/A", "n/a", "N.A.", "n.a.", "na", "nil", "missing", "unknown?"}
    | {"null", "NULL", "None", "NaN", "nan", "-NaN", "-nan", "<NA>", "#N/A", "#NA", "#N/A N/A"}
    | {"1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"}
)
MISSING_NUMBERS: Final = frozenset({"na", "n/a", "nan", "null", "none"})  # in any case, where a number is expected
BOOLEANS: Final = dict.fromkeys(("true", "yes", "1", "1.0"), True) | dict.fromkeys(("false", "no", "0", "0.0"), False)
FLOAT32_MAX: Final = 3.4028234663852886e38  # a model's numbers are float32: larger ones are no values
_THOUSANDS: Final = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?")
_SWAP_MARKS: Final = str.maketrans(",.", ".,")


def parse_number(text: str, decimal: str = ".") -> float:
    """Return the number that a cell's text is: `1,234.5` is 1234.5, `5%` is 5; with decimal `,` the marks swap.

    NaN for the text "nan" and for digits grouped by `_`, which Python reads and no table means. Raises ValueError for
    what is no number.
    """
    digits = text.removesuffix("%").rstrip()
    if decimal == ",":
        digits = digits.translate(_SWAP_MARKS)
    if _THOUSANDS.fullmatch(digits):
        digits = digits.replace(",", "")
    return nan if "_" in digits else float(digits)
