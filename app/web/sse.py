"""Server-sent events: where a reader wants to go on."""

import re
from typing import Annotated

from fastapi import Header, Query


def cursor(
    after: Annotated[str, Query()] = "0",
    last_event_id: Annotated[str, Header()] = "",
) -> int:
    """The later of `?after=` and `Last-Event-ID`. Junk counts as 0: a 422 would stop an EventSource for good."""
    return max(_number(after), _number(last_event_id))


def _number(text: str) -> int:
    return int(text) if re.fullmatch("[0-9]{1,15}", text) else 0
