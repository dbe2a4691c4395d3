"""The log of a run on disk."""

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.panel.logs.line import LineFilter
from app.panel.logs.store import KEPT_OPEN, LogStore
from pipeline.core.events import Level

AT = datetime(2026, 1, 1, tzinfo=UTC)


def line(text: str, level: Level = "info", stage: str = "s") -> tuple[datetime, str, int, Level, str]:
    return (AT, stage, 1, level, text)


def fill(store: LogStore, n_lines: int) -> None:
    store.append("r", [line(f"line {i}") for i in range(1, n_lines + 1)])


@pytest.mark.parametrize("after", [0, 1, 255, 256, 257, 999, 1000, 2000])
def test_read_goes_on_after_any_line_when_asked(tmp_path: Path, after: int) -> None:
    store = LogStore(tmp_path)
    fill(store, 1000)
    fresh = LogStore(tmp_path)  # a restarted panel, which finds only the file
    expected = list(range(after + 1, min(after + 7, 1000) + 1))
    for reader in (store, fresh):
        assert [each.seq for each in reader.read("r", after, 7)] == expected
    assert store.recent("r", after, 7) == store.read_raw("r", after, 7)


def test_seq_goes_on_when_the_panel_was_restarted(tmp_path: Path) -> None:
    fill(LogStore(tmp_path), 3)
    assert LogStore(tmp_path).append("r", [line("four")]) == 4


def test_torn_line_is_dropped_when_the_power_was_cut(tmp_path: Path) -> None:
    store = LogStore(tmp_path)
    fill(store, 2)
    with store.path("r").open("ab") as file:
        file.write(b'{"seq":3,"at":"2026')
    after = LogStore(tmp_path)
    assert len(after.read("r")) == 2
    assert after.append("r", [line("three")]) == 3
    assert [each.text for each in LogStore(tmp_path).read("r")] == ["line 1", "line 2", "three"]


def test_lines_are_filtered_when_asked(tmp_path: Path) -> None:
    store = LogStore(tmp_path)
    store.append("r", [line("Alpha"), line("beta", "warning"), line("gamma", "error", "t"), line("ALPHA two", "debug")])
    assert [match.seq for match in store.read("r", selection=LineFilter(level="warning"))] == [2, 3]
    assert [match.seq for match in store.read("r", selection=LineFilter(stage="t"))] == [3]
    assert [match.seq for match in store.read("r", selection=LineFilter(text="alpha"))] == [1, 4]
    counts = store.counts("r")
    assert (counts.n_lines, counts.n_warnings, counts.n_errors, counts.first_error_seq) == (4, 1, 1, 3)
    assert LogStore(tmp_path).counts("r") == counts


def test_missing_lines_are_counted_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LogStore(tmp_path)
    fill(store, 1)
    real = os.pwrite

    def full(fd: int, data: bytes, offset: int) -> int:
        if len(data) > 10:
            return real(fd, data[:10], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        assert store.append("r", [line("lost"), line("lost too")]) == 1
        assert store.append("r", [line("and this")]) == 1
    assert store.append("r", [line("after")]) == 3
    assert [each.text for each in LogStore(tmp_path).read("r")] == [
        "line 1",
        "3 lines are missing here: no space left on device.",
        "after",
    ]


def test_run_has_no_lines_when_it_is_unknown(tmp_path: Path) -> None:
    assert LogStore(tmp_path).read("nobody") == []
    with pytest.raises(ValueError, match=r"\.\."):
        LogStore(tmp_path).read("..")


def damaged(store: LogStore, number: int, content: bytes) -> None:
    """Put `content` where line `number` of the file is."""
    lines = store.path("r").read_bytes().splitlines(keepends=True)
    lines[number - 1] = content
    store.path("r").write_bytes(b"".join(lines))


@pytest.mark.parametrize(
    "content",
    [
        b'{"seq":3,"at":"2026\x00\xff',
        b"\0" * 512,
        b"",
        *(
            b'{"seq":3,"at":"%s","stage":"s","attempt":1,"level":"info","text":""}' % at
            for at in (b"yes", b"2026-01-01T00:00:00", b"0001-01-01T00:00:00+00:00", b"9999-12-31T23:59:59+00:00")
        ),
    ],
)
def test_lines_before_and_after_are_read_and_kept_when_one_is_damaged(tmp_path: Path, content: bytes) -> None:
    store = LogStore(tmp_path)
    fill(store, 600)
    damaged(store, 3, content + b"\n")
    before = store.path("r").read_bytes()
    after = LogStore(tmp_path)
    lines = after.read("r", 0, 1000)
    assert [line.seq for line in lines] == list(range(1, 601))
    assert [line.text for line in lines if line.seq != 3] == [f"line {i}" for i in range(1, 601) if i != 3]
    assert (lines[2].level, "damaged" in lines[2].text, lines[2].at) == ("warning", True, lines[1].at)
    assert after.append("r", [line("next")]) == 601
    assert store.path("r").read_bytes().startswith(before)
    assert [line.text for line in LogStore(tmp_path).read("r", 598)] == ["line 599", "line 600", "next"]


def test_numbers_have_no_gap_when_lines_were_cut_out_of_the_file(tmp_path: Path) -> None:
    store = LogStore(tmp_path)
    fill(store, 10)
    damaged(store, 4, b"")
    damaged(store, 4, b"")
    after = LogStore(tmp_path)
    assert [(line.seq, line.text) for line in after.read("r", 2, 3)] == [(3, "line 3"), (4, "line 6"), (5, "line 7")]
    assert after.append("r", [line("next")]) == 9
    assert [line.seq for line in after.read("r")] == list(range(1, 10))


def test_the_damaged_line_alone_is_lost_when_the_file_is_edited_while_it_is_in_use(tmp_path: Path) -> None:
    store = LogStore(tmp_path)
    fill(store, 600)
    assert len(store.read("r", 0, 1000)) == 600
    damaged(store, 300, b"not json at all\n")
    lines = store.read("r", 0, 1000)
    assert [line.seq for line in lines] == list(range(1, 601))
    assert [line.seq for line in lines if "damaged" in line.text] == [300]
    assert store.counts("r").n_warnings == 1
    assert store.append("r", [line("next")]) == 601
    assert [line.text for line in store.read("r", 598)] == ["line 599", "line 600", "next"]


@pytest.mark.parametrize("is_replaced", [False, True])
@pytest.mark.parametrize("n_left", [0, 100])
def test_readers_miss_no_new_line_when_the_file_was_cut_while_it_is_in_use(
    tmp_path: Path, is_replaced: bool, n_left: int
) -> None:
    store = LogStore(tmp_path)
    fill(store, 400)
    path = store.path("r")
    left = b"".join(path.read_bytes().splitlines(keepends=True)[:n_left]) + b'{"seq":'
    if is_replaced:  # as most editors do it
        path.unlink()
    path.write_bytes(left)
    assert store.append("r", [line("next")]) == 401
    assert [line.text for line in store.read("r", 400)] == ["next"]
    lines = store.read("r", 0, 1000)
    assert [line.seq for line in lines] == list(range(1, 402))
    assert [line.text for line in lines[:n_left]] == [f"line {i}" for i in range(1, n_left + 1)]
    assert {line.text for line in lines[n_left:400]} == {"This line was removed from the log file."}
    assert LogStore(tmp_path).read("r", 0, 1000) == lines


def test_lines_that_are_left_are_read_when_the_file_of_an_ended_run_was_cut(tmp_path: Path) -> None:
    store = LogStore(tmp_path)
    fill(store, 600)
    store.close("r")
    assert store.counts("r").n_lines == 600
    os.truncate(store.path("r"), store.path("r").stat().st_size // 2)
    n_left = store.counts("r").n_lines
    assert 250 < n_left < 350
    assert [line.seq for line in store.read("r", 0, 1000)] == list(range(1, n_left + 1))
    store.path("r").unlink()
    assert (store.read("r"), store.counts("r").n_lines) == ([], 0)


def test_lines_outside_of_it_are_read_when_a_sector_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LogStore(tmp_path)
    fill(store, 600)
    real, bad = os.pread, range(8192, 12288)

    def read(fd: int, n_bytes: int, offset: int) -> bytes:
        if offset < bad.stop and bad.start < offset + n_bytes:
            raise OSError(errno.EIO, "Input/output error")
        return real(fd, n_bytes, offset)

    monkeypatch.setattr(os, "pread", read)
    for reader in (store, LogStore(tmp_path)):
        lines = reader.read("r", 0, 1000)
        n_whole = sum(line.text.startswith("line ") for line in lines)
        assert [line.seq for line in lines] == list(range(1, len(lines) + 1))
        assert 500 < n_whole < 600
        assert any("damaged" in line.text for line in lines)
        assert b"line 1" in reader.read_raw("r", 0, 1)[0]


def test_no_carriage_return_reaches_a_stream_when_an_editor_has_added_them(tmp_path: Path) -> None:
    store = LogStore(tmp_path)
    fill(store, 3)
    store.path("r").write_bytes(store.path("r").read_bytes().replace(b"\n", b"\r\n"))
    assert [each.text for each in store.read("r")] == ["line 1", "line 2", "line 3"]
    assert b"\r" not in b"".join(store.read_raw("r"))


def test_nothing_is_counted_twice_when_the_file_could_not_be_read_at_first(tmp_path: Path) -> None:
    store = LogStore(tmp_path)
    fill(store, 3)
    after = LogStore(tmp_path)
    aside = store.path("r").rename(tmp_path / "aside")
    store.path("r").mkdir()
    with pytest.raises(IsADirectoryError):
        after.counts("r")
    assert after.append("r", [line("lost")]) == 0  # costs the line, not the run
    store.path("r").rmdir()
    aside.rename(store.path("r"))
    assert after.append("r", [line("next")]) == 5
    assert [line.text for line in after.read("r", 3)] == ["1 line is missing here: is a directory.", "next"]


def test_journal_stays_the_same_when_many_others_are_touched_while_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LogStore(tmp_path)
    opened, go_on = threading.Event(), threading.Event()
    real = os.open

    def slow(path: str, *more: int) -> int:
        opened.set()
        assert go_on.wait(30)
        return real(path, *more)

    with monkeypatch.context() as patch, ThreadPoolExecutor(1) as pool:
        patch.setattr(os, "open", slow)
        first = pool.submit(store.append, "r", [line("one")])
        assert opened.wait(30)
        for i in range(KEPT_OPEN + 1):
            store.counts(f"other-{i}")
        with ThreadPoolExecutor(1) as second_pool:
            second = second_pool.submit(store.append, "r", [line("two")])
            go_on.set()
            assert sorted([first.result(30), second.result(30)]) == [1, 2]
    assert {each.text for each in LogStore(tmp_path).read("r")} == {"one", "two"}


def test_followers_do_not_wait_when_the_disk_is_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LogStore(tmp_path)
    fill(store, 2)
    writing, go_on = threading.Event(), threading.Event()
    real = os.pwrite

    def slow(fd: int, data: bytes, offset: int) -> int:
        writing.set()
        assert go_on.wait(30)
        return real(fd, data, offset)

    with monkeypatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(os, "pwrite", slow)
        appended = pool.submit(store.append, "r", [line("three")])
        assert writing.wait(30)
        try:
            recent = pool.submit(store.recent, "r", 0, 10)
            assert len(recent.result(10) or []) == 2
        finally:
            go_on.set()
        assert appended.result(30) == 3


def test_log_is_let_go_when_the_disk_cannot_make_it_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    store = LogStore(tmp_path)
    fill(store, 2)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        store.close("r")
    assert store.append("r", [line("three")]) == 3
