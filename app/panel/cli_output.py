"""What the terminal shows: texts of others, which must not steer it."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.text import Text

STYLE: Final = {
    "succeeded": "green",
    "running": "green",
    "live": "green",
    "ok": "green",
    "failed": "red",
    "error": "red",
    "refused": "yellow",
    "interrupted": "yellow",
    "retrying": "yellow",
    "warning": "yellow",
}


def coloured(state: str) -> "Text":
    """Return a state in its colour."""
    return cell(state, STYLE.get(state, ""))


def cell(text: str, style: str = "") -> "Text":
    """Return `text` unchanged but for control characters; brackets are no markup."""
    from rich.text import Text

    return Text(printable(text), style)


def printable(text: str) -> str:
    """Return `text` with control characters replaced, which could steer the terminal."""
    return "".join(char if char.isprintable() or char == "\t" else "\ufffd" for char in text)


def minute(at: str | None) -> str:
    """Return a time of the JSON API to the minute, in the time zone of this terminal; a dash for None."""
    from datetime import datetime

    return "–" if at is None else f"{datetime.fromisoformat(at).astimezone():%Y-%m-%d %H:%M}"
