"""The content types that each POST takes.

A browser sends a body of no type, of plain text or of a form for any web page without asking this API first; it asks
before it sends one of these.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from app.prediction.problems import UnsupportedBodyError

JSON: Final = "application/json"
CSV: Final = "text/csv"
# JSON and bytes behind it, or JSON alone (Open Inference Protocol, binary tensor data extension).
TENSORS: Final = "application/octet-stream"
# Where the JSON ends in such a body. Some clients, Triton's among them, state their type by this header alone.
JSON_LENGTH_HEADER: Final = "inference-header-content-length"
# By the route's label.
ACCEPTED: Final[Mapping[str, Sequence[str]]] = {
    "/predict": (JSON,),
    "/predict/csv": (CSV,),
    "/explain": (JSON,),
    "/curve": (JSON,),
    "/invocations": (JSON, CSV),
    "/v2/infer": (JSON, TENSORS),
}


def check_content_type(route: str, headers: Mapping[bytes, bytes]) -> None:
    """Raise UnsupportedBodyError API-07 (415) unless the body states a type that `route` takes, text in UTF-8."""
    accepted = ACCEPTED.get(route)
    if accepted is None:  # there is no such POST, and the router says so
        return
    stated = headers.get(b"content-type", b"").decode("latin-1")
    if not stated and TENSORS in accepted and JSON_LENGTH_HEADER.encode() in headers:
        return
    if media_type(stated) not in accepted:
        raise UnsupportedBodyError.other_than(accepted, stated)


def media_type(content_type: str) -> str:
    """Return the type without its parameters, in lower case; "" where there is none, or not in UTF-8."""
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    return kind if all(each.replace('"', "") in {"charset=utf-8", ""} for each in parameters) else ""
