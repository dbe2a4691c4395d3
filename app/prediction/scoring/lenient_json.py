"""JSON as clients of other servers write it: numpy's NaN goes over the wire as the bare word, and means missing here."""

import json
import re
from typing import Any, Final, NoReturn

import msgspec

from app.prediction.problems import InvalidBodyError

# A lone surrogate, escaped: json accepts it, but such text cannot be encoded again.
_HALF: Final = re.compile(r"\\u[dD][89a-fA-F]")


def decode(raw: bytes) -> Any:  # noqa: ANN401 - it is what the client sent
    """Return the parsed body, NaN as None. Raises InvalidBodyError API-02 (400) for what is not JSON, infinite numbers included."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        pass  # with NaN in it, or not JSON at all
    try:
        return loads(raw, parse_constant=_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise InvalidBodyError.not_json(error) from error


def loads(raw: bytes, **options: Any) -> Any:  # noqa: ANN401 - what the client sent, and as json.loads takes them
    """Return what `json.loads` does, but only for UTF-8 that can be encoded again. Raises ValueError, RecursionError."""
    text = raw.decode("utf-8-sig")
    parsed = json.loads(text, **options)
    if _HALF.search(text):
        json.dumps(parsed, ensure_ascii=False).encode()
    return parsed


def _constant(word: str) -> None:
    if word != "NaN":
        _refuse(word)


def _finite(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        _refuse(text)
    return number


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text[:40]} is not a finite number")
