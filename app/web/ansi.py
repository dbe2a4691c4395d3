"""A line of output as HTML: escaped first, then colours and weights; everything else that a terminal obeys is dropped.

Pure. The order is the safety: nothing that was in the text can become markup, because markup is added to text that
has been escaped already, and only these classes are ever added.
"""

import re
from itertools import pairwise
from typing import Final

from markupsafe import Markup, escape

# CSI and OSC sequences, then two-character escapes, then control characters but tab.
_SEQUENCE: Final = re.compile(
    r"\x1b\[([0-9;:?<=>]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
# Characters that turn the reading direction, so that a line would show other than it is.
_BIDI: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
_STYLES: Final = {1: "b", 3: "i", 4: "u"}


def render(text: str, needle: str = "") -> Markup:
    """HTML of one line: spans of known classes, and `<mark>` around each `needle`, whatever the case."""
    text = text.rstrip("\r\n")
    text = _BIDI.sub("\N{REPLACEMENT CHARACTER}", text.rsplit("\r", 1)[-1])
    out: list[Markup] = []
    classes: frozenset[str] = frozenset()
    at = 0
    for found in _SEQUENCE.finditer(text):
        out.append(_span(text[at : found.start()], classes, needle))
        at = found.end()
        if found[2] == "m":
            classes = _styled(classes, found[1] or "0")
    out.append(_span(text[at:], classes, needle))
    return Markup("").join(out)


def _styled(classes: frozenset[str], codes: str) -> frozenset[str]:
    numbers = [int(code) if code.isdigit() else 0 for code in re.split("[;:]", codes)[:32]]
    while numbers:
        code = numbers.pop(0)
        colours = {name for name in classes if name.startswith("c")}
        if code == 0:
            classes = frozenset()
        elif code in _STYLES:
            classes |= {_STYLES[code]}
        elif code in {22, 23, 24}:
            classes -= {_STYLES[{22: 1, 23: 3, 24: 4}[code]]}
        elif code in range(30, 38) or code in range(90, 98):
            classes = (classes - colours) | {f"c{code % 10}"}
        elif code == 39:
            classes -= colours
        elif code in {38, 48}:
            # A colour from a larger palette: its arguments are skipped, the text stays plain.
            del numbers[: 2 if numbers[:1] == [5] else 4]
    return classes


def _span(text: str, classes: frozenset[str], needle: str) -> Markup:
    if not text:
        return Markup("")
    html = _marked(text, needle)
    return Markup('<span class="{}">{}</span>').format(" ".join(sorted(classes)), html) if classes else html


def _marked(text: str, needle: str) -> Markup:
    if not needle:
        return escape(text)
    ends = [0]
    for found in re.finditer(re.escape(needle), text, re.IGNORECASE):
        ends += [found.start(), found.end()]
    pieces = [text[a:b] for a, b in pairwise([*ends, len(text)])]
    marked = [escape(p) if i % 2 == 0 else Markup("<mark>{}</mark>").format(p) for i, p in enumerate(pieces)]
    return Markup("").join(marked)
