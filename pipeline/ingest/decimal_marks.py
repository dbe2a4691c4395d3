"""Decides whether the comma or the point is the decimal mark of a column's numbers."""

import re
from collections.abc import Iterable
from typing import Final

# Numbers that show which mark is the decimal one, and those with three digits behind the only mark, which do not.
_COMMA_DECIMAL: Final = re.compile(
    r"\d*,\d{1,2}|\d+,\d{4,}|0+,\d+|\d{4,},\d{3}|\d{1,3}(\.\d{3})+,\d+|[1-9]\d{0,2}(\.\d{3}){2,}", re.ASCII
)
_POINT_DECIMAL: Final = re.compile(
    r"\d*\.\d{1,2}|\d+\.\d{4,}|0+\.\d+|\d{4,}\.\d{3}|\d{1,3}(,\d{2,3})+\.\d+|[1-9]\d{0,2}(,\d{3}){2,}"
    r"|[1-9]\d?(,\d{2})+,\d{3}|\d{1,3}([ ']\d{3})+\.\d+",
    re.ASCII,
)
_AMBIGUOUS: Final = re.compile(r"[1-9]\d{0,2}([.,])\d{3}", re.ASCII)
_WHOLE: Final = re.compile(r"\d+", re.ASCII)


def decimal_mark(digits: Iterable[str], file_mark: str, delimiter: str) -> tuple[str, str]:
    """Return the decimal mark of a column and, where its numbers do not decide it, a sentence on what was assumed."""
    texts = [text for text in digits if "," in text or "." in text or _WHOLE.fullmatch(text)]
    n_comma = sum(_COMMA_DECIMAL.fullmatch(text) is not None for text in texts)
    n_point = sum(_POINT_DECIMAL.fullmatch(text) is not None for text in texts)
    if n_comma != n_point:
        return ("," if n_comma > n_point else "."), ""
    ambiguous = [text for text in texts if _AMBIGUOUS.fullmatch(text)]
    if not ambiguous:
        return (file_mark or "."), ""
    mark = "," if "," in ambiguous[0] else "."
    other = "." if mark == "," else ","
    # Numbers below a thousand have no mark where it groups digits; decimals that are written out would all have one.
    has_bare = any(len(text) <= 3 for text in texts if _WHOLE.fullmatch(text))
    is_known = bool(file_mark) or has_bare or len(ambiguous) < len(texts)
    file_mark = file_mark or ("." if delimiter == "," else "")
    is_decimal = mark == file_mark if file_mark else not has_bare
    decided = mark if is_decimal else other
    if file_mark and is_known and not (is_decimal and has_bare):
        return decided, ""
    shown = ambiguous[0]
    value = shown.replace(mark, "." if is_decimal else "")
    return decided, f"{shown!r} may mean two numbers; it was read as {value}"
