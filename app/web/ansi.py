"""A line of terminal output as HTML: escaped first, then colours and weights; all other control sequences are dropped.

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
# Characters that change the reading direction, so that a line would not show what it contains.
_BIDI: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
_STYLES: Final = {1: "b", 3: "i", 4: "u"}


def ansi_to_html(text: str, needle: str = "") -> Markup:
    """Return one line as HTML: spans of known classes, and `<mark>` around each `needle`, ignoring case."""
    text = text.rstrip("\r\n")
    text = _BIDI.sub("\N{REPLACEMENT CHARACTER}", text.rsplit("\r", 1)[-1])
    spans: list[Markup] = []
    classes: frozenset[str] = frozenset()
    start = 0
    for sequence in _SEQUENCE.finditer(text):
        spans.append(_span(text[start : sequence.start()], classes, needle))
        start = sequence.end()
        if sequence[2] == "m":
            classes = _apply_codes(classes, sequence[1] or "0")
    spans.append(_span(text[start:], classes, needle))
    return Markup("").join(spans)


def _apply_codes(classes: frozenset[str], codes: str) -> frozenset[str]:
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
    html = _mark(text, needle)
    return Markup('<span class="{}">{}</span>').format(" ".join(sorted(classes)), html) if classes else html


def _mark(text: str, needle: str) -> Markup:
    if not needle:
        return escape(text)
    ends = [0]
    for match in re.finditer(re.escape(needle), text, re.IGNORECASE):
        ends += [match.start(), match.end()]
    pieces = [text[a:b] for a, b in pairwise([*ends, len(text)])]
    marked = [escape(p) if i % 2 == 0 else Markup("<mark>{}</mark>").format(p) for i, p in enumerate(pieces)]
    return Markup("").join(marked)
