"""What makes a start happen once, however often it is sent."""

import hashlib
import json
from dataclasses import dataclass

from app.panel.runs.domain.start_limit import LIMITED
from app.panel.runs.domain.state import Trigger


@dataclass(frozen=True, slots=True)
class StartKey:
    """What makes a start happen once. `digest` is of the request that it stands for, "" where nobody could send another.

    With `is_shared`, as in the forms of one page, several requests may have it, and each is one of its own.
    """

    text: str
    digest: str = ""
    is_shared: bool = False

    @property
    def stored(self) -> str:
        """Return what the row of the run holds. No text that is sent as a header has a blank."""
        return f"{self.text} {self.digest}" if self.digest else self.text


def start_key(text: str | None, trigger: Trigger, *, is_shared: bool, **asked: object) -> StartKey | None:
    """Return the key of the request `asked`; None without a text. What the panel itself starts has no other request."""
    if text is None or trigger not in LIMITED:
        return None if text is None else StartKey(text)
    request = json.dumps([trigger, asked], sort_keys=True, default=str)
    return StartKey(text, hashlib.sha256(request.encode()).hexdigest(), is_shared)
