"""JSON as clients of other servers write it: numpy's NaN goes over the wire as the bare word, and means missing here."""

import json
from typing import Any, NoReturn

import msgspec

from pipeline.errors import ProblemError


def decode(raw: bytes) -> Any:  # noqa: ANN401 - it is what the client sent
    """The parsed body, NaN as None. Raises ProblemError API-02 (400) for what is not JSON, infinite numbers included."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        pass  # with NaN in it, or not JSON at all
    try:
        return json.loads(raw, parse_constant=_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise ProblemError(
            "API-02",
            "The body is not JSON.",
            why=f"{str(error)[:200] or type(error).__name__}.",
            fix="Send one JSON object; /docs shows one that works.",
            status=400,
        ) from error


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
