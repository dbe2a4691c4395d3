"""Names in the environment that look like a setting of ours and are none: a slip of the fingers would pass in silence."""

import difflib
import re
from collections.abc import Iterable
from typing import Final

from app.frontend.settings import Settings as AppSettings
from app.panel.settings import Settings
from app.prediction.settings import ApiSettings
from pipeline.core.problems import ProblemError
from pipeline.core.settings import env_names

# Of the prediction API and the prediction app, which get them through the panel; and of `compose.yaml`.
OTHERS: Final = frozenset(
    {*env_names(ApiSettings), *env_names(AppSettings), "ML_PIPELINE_IMAGE", "ML_PIPELINE_OWNER"}
    - {*env_names(Settings)}
)
# Nobody else's names begin like this. Names that begin otherwise are spoken of only where they are one slip away.
OURS: Final = ("PANEL_", "ML_PIPELINE_")
LIKE: Final = 0.6
VERY_LIKE: Final = 0.9
SHORTEST: Final = 6  # four letters are one slip away from too many words
# Made by Kubernetes for a service called "panel".
INJECTED: Final = re.compile(r"_SERVICE_(HOST|PORT)|_PORT_[0-9]+_(TCP|UDP)")


def misspelt(names: Iterable[str]) -> list[ProblemError]:
    """PANEL-09 for each name that was surely meant for us and is not known, with the known name next to it."""
    settings = {*env_names(Settings)}
    known = {*settings, *OTHERS}
    accepted = {*known, *(name.lower() for name in settings)}
    found = []
    for name in sorted({*names} - accepted):
        near = _nearest(name.upper(), known)
        is_slip = near is not None and len(name) >= SHORTEST and _is_slip(name.upper(), near)
        if (is_slip or name.upper().startswith(OURS)) and not INJECTED.search(name):
            found.append(_unknown(name, near))
    return found


def _nearest(name: str, known: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name, sorted(known), n=1, cutoff=LIKE)), None)


def _is_slip(name: str, known: str) -> bool:
    """Letters swapped, or nearly all the same; a plural is another word."""
    is_plural = name == f"{known}S"
    return not is_plural and (
        sorted(name) == sorted(known) or difflib.SequenceMatcher(None, name, known).ratio() >= VERY_LIKE
    )


def _unknown(name: str, near: str | None) -> ProblemError:
    return ProblemError(
        "PANEL-09",
        f"{name} is not a setting and has no effect.",
        fix=f"Did you mean {near}?" if near else "docs/settings.md lists those there are.",
    )
