"""Output as HTML: nothing in it becomes markup, and only known classes are added."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.ansi import ansi_to_html

ESC = "\x1b"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("plain", "plain"),
        (f"{ESC}[31mred{ESC}[0m after", '<span class="c1">red</span> after'),
        (
            f"{ESC}[1;32mboth{ESC}[22mcolour{ESC}[mnone",
            '<span class="b c2">both</span><span class="c2">colour</span>none',
        ),
        (f"{ESC}[38;5;200mpalette{ESC}[48;2;1;2;3m true", "palette true"),
        (f"{ESC}[2K{ESC}[1Acursor", "cursor"),
        (f"{ESC}]8;;http://evil{ESC}\\link{ESC}]8;;\x07", "link"),
        (" 10 %\r 99 %\r\n", " 99 %"),
        ("a\x00b\x07c\x9bd", "abcd"),
        (f"{ESC}[31", "31"),
        ("<b>&\"'", "&lt;b&gt;&amp;&#34;&#39;"),
        (f"<{ESC}[1mscript>", '&lt;<span class="b">script&gt;</span>'),
        ("abc\u202edef", "abc\ufffddef"),
    ],
)
def test_line_is_drawn_when_it_has_escapes(text: str, html: str) -> None:
    assert str(ansi_to_html(text)) == html


def test_needle_is_marked_when_its_case_differs_and_it_needs_escaping() -> None:
    assert str(ansi_to_html("A<b a<B", "a<b")) == "<mark>A&lt;b</mark> <mark>a&lt;B</mark>"


@pytest.mark.slow
@given(st.text(st.characters() | st.sampled_from(list("\x1b[]0;1m38<>&\"'\r")), max_size=60), st.text(max_size=3))
def test_only_our_tags_come_out_when_the_text_is_anything(text: str, needle: str) -> None:
    html = str(ansi_to_html(text, needle))
    rest = re.sub(r'<span class="[a-z0-7 ]+">|</span>|</?mark>', "", html)
    assert "<" not in rest
    assert ">" not in rest
    assert "\x1b" not in html
