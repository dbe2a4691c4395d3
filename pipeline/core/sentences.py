"""Parts of sentences that messages, logs and pages share."""

from collections.abc import Sequence


def plural(n: int, singular: str, plural_form: str = "") -> str:
    """Return `1 run` or `2 runs`; `plural_form` where adding an s is not enough."""
    return f"{n:,} {singular if n == 1 else plural_form or singular + 's'}"


def listed(names: Sequence[str], most: int) -> str:
    """Return the first `most` names and how many more there are: `a, b and 3 more`."""
    n_more = len(names) - most
    return ", ".join(names[:most]) + (f" and {n_more:,} more" if n_more > 0 else "")


def lower_first(text: str) -> str:
    """Return the sentence or title with a small first letter, to stand inside another sentence."""
    return text[0].lower() + text[1:]


def upper_first(text: str) -> str:
    """Return the text with a capital first letter, to begin a sentence."""
    return text[0].upper() + text[1:]
