"""Finds names in the environment that look like one of our settings but are none: a typo would go unnoticed."""

import difflib
import re
from collections.abc import Iterable
from typing import Final

from app.frontend.settings import Settings as AppSettings
from app.panel.problems import UnknownSettingError
from app.panel.settings import Settings
from app.prediction.settings import ApiSettings
from pipeline.core.settings import env_names

# Settings of the prediction API and the prediction app, which get them through the panel; and of `compose.yaml`.
OTHERS: Final = frozenset(
    {*env_names(ApiSettings), *env_names(AppSettings), "ML_PIPELINE_IMAGE", "ML_PIPELINE_OWNER", "PANEL_MEMORY"}
    - {*env_names(Settings)}
)
# Nobody else's names begin like this. Names that begin otherwise are reported only where they are one typo away.
OURS: Final = ("PANEL_", "ML_PIPELINE_")
SIMILAR: Final = 0.6
VERY_SIMILAR: Final = 0.9
MIN_LENGTH: Final = 6  # four letters are one typo away from too many words
# Set by Kubernetes for a service called "panel".
INJECTED: Final = re.compile(r"_SERVICE_(HOST|PORT)|_PORT_[0-9]+_(TCP|UDP)")


def unknown_settings(names: Iterable[str]) -> list[UnknownSettingError]:
    """Return a problem for each name that was surely meant for us but is unknown, with the most similar known one."""
    settings = {*env_names(Settings)}
    known = {*settings, *OTHERS}
    accepted = {*known, *(name.lower() for name in settings)}
    problems = []
    for name in sorted({*names} - accepted):
        near = _nearest(name.upper(), known)
        is_typo = near is not None and len(name) >= MIN_LENGTH and _is_typo(name.upper(), near)
        if (is_typo or name.upper().startswith(OURS)) and not INJECTED.search(name):
            problems.append(UnknownSettingError(name, near))
    return problems


def _nearest(name: str, known: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name, sorted(known), n=1, cutoff=SIMILAR)), None)


def _is_typo(name: str, known: str) -> bool:
    """Return True if letters are swapped or nearly all are the same; a plural is another word."""
    is_plural = name == f"{known}S"
    return not is_plural and (
        sorted(name) == sorted(known) or difflib.SequenceMatcher(None, name, known).ratio() >= VERY_SIMILAR
    )
