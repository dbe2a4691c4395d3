"""The log of a run on disk."""

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.panel.logs.line import Level
from app.panel.logs.store import LogStore

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
    for found in (store, fresh):
        assert [found_line.seq for found_line in found.read("r", after, 7)] == expected
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
    assert [found.text for found in LogStore(tmp_path).read("r")] == ["line 1", "line 2", "three"]


def test_lines_are_filtered_when_asked(tmp_path: Path) -> None:
    store = LogStore(tmp_path)
    store.append("r", [line("Alpha"), line("beta", "warning"), line("gamma", "error", "t"), line("ALPHA two", "debug")])
    assert [found.seq for found in store.read("r", level="warning")] == [2, 3]
    assert [found.seq for found in store.read("r", stage="t")] == [3]
    assert [found.seq for found in store.read("r", text="alpha")] == [1, 4]
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
    assert [found.text for found in LogStore(tmp_path).read("r")] == [
        "line 1",
        "3 lines are missing here: no space left on device.",
        "after",
    ]


def test_run_has_no_lines_when_it_is_unknown(tmp_path: Path) -> None:
    assert LogStore(tmp_path).read("nobody") == []
    with pytest.raises(ValueError, match=r"\.\."):
        LogStore(tmp_path).read("..")
