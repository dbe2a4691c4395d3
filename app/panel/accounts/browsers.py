"""Names browsers as people do."""

import re
from typing import Final

# The first that matches: browsers also name those that they descend from.
_PROGRAMS: Final = (
    ("Edg(e|A|iOS)?/", "Edge"),
    ("OPR/|Opera", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/|FxiOS/", "Firefox"),
    ("Chrome/|Chromium/|CriOS/", "Chrome"),
    ("Safari/", "Safari"),
    ("^curl/", "curl"),
    ("^python", "Python"),
)
_SYSTEMS: Final = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X|Macintosh", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def browser_name(agent: str) -> str:
    """Return a `User-Agent` in words, such as `Firefox on Linux`."""
    program = _first(_PROGRAMS, agent) or "Unknown browser"
    system = _first(_SYSTEMS, agent)
    return f"{program} on {system}" if system else program


def _first(patterns: tuple[tuple[str, str], ...], agent: str) -> str:
    return next((name for pattern, name in patterns if re.search(pattern, agent)), "")
