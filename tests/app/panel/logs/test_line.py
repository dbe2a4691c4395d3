"""Raw output becomes lines."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.panel.logs.line import MAX_TEXT_BYTES, LineSplitter, split_text


def split(*blocks: bytes) -> list[str]:
    splitter = LineSplitter()
    return [text for block in blocks for text in splitter.feed(block)] + splitter.flush()


@pytest.mark.slow
@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=50)), st.integers()
)
def test_lines_are_the_same_when_the_bytes_come_in_other_blocks(lines: list[str], seed: int) -> None:
    data = "".join(line + "\n" for line in lines).encode()
    cuts = sorted(random.Random(seed).choices(range(len(data) + 1), k=5))
    blocks = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    assert split(*blocks) == lines


def test_last_state_remains_when_a_progress_bar_repaints() -> None:
    assert split(b"a\r", b"10%\r20%\r", b"100%\r\nnext\n") == ["100%", "next"]


def test_memory_is_bounded_when_a_line_never_ends() -> None:
    splitter = LineSplitter()
    texts = [text for _ in range(100) for text in splitter.feed(b"x" * 10_000)]
    assert len(splitter._rest) <= MAX_TEXT_BYTES
    assert "".join(texts + splitter.flush()) == "x" * 1_000_000
    for _ in range(100):
        splitter.feed(b"\r" + b"y" * 10_000)
    assert len(splitter._rest) <= MAX_TEXT_BYTES


def test_characters_stay_whole_when_a_line_is_cut() -> None:
    texts = split_text("\u20ac" * 10_000)
    assert len(texts) == 2
    assert "".join(texts) == "\u20ac" * 10_000
    assert max(len(text.encode()) for text in texts) <= MAX_TEXT_BYTES


def test_event_is_not_cut_when_it_is_long() -> None:
    event = b'{"event": "result", "x": "' + b"y" * 100_000 + b'"}'
    assert split(event[:50_000], event[50_000:] + b"\n") == [event.decode()]


def test_broken_text_is_marked_when_it_is_not_utf8() -> None:
    assert split(b"\xff ok \xe2\x82\n") == ["\ufffd ok \ufffd"]
    assert split_text("\udc80") == ["?"]
