"""The output of a service: read by cursor, kept short."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.panel.services.service_log import ServiceLog
from tests.builders.disks import SmallDisk


def write(log: ServiceLog, text: str) -> None:
    with log.path.open("ab") as file:
        file.write(text.encode())


def test_there_are_no_lines_when_nothing_was_written(tmp_path: Path) -> None:
    chunk = ServiceLog(tmp_path / "api.log").read(0, 10)
    assert (chunk.lines, chunk.after) == ((), 0)


def test_each_line_comes_once_when_it_is_read_by_cursor(tmp_path: Path) -> None:
    log = ServiceLog(tmp_path / "api.log", max_bytes=200)
    seen: list[str] = []
    after = 0
    for number in range(100):
        write(log, f"line {number}\n")
        log.rotate()
        if number % 3 == 0:
            chunk = log.read(after, 100)
            seen += chunk.lines
            after = chunk.after
    seen += log.read(after, 100).lines
    assert seen == [f"line {number}" for number in range(100)]
    assert log.path.stat().st_size <= 210


def test_an_unfinished_line_waits_when_it_is_still_being_written(tmp_path: Path) -> None:
    log = ServiceLog(tmp_path / "api.log")
    write(log, "whole\nhal")
    chunk = log.read(0, 10)
    assert chunk.lines == ("whole",)
    write(log, "f\n")
    assert log.read(chunk.after, 10).lines == ("half",)


def test_the_last_lines_are_given_when_there_are_more_than_asked_for(tmp_path: Path) -> None:
    log = ServiceLog(tmp_path / "api.log")
    write(log, "".join(f"{number}\n" for number in range(50_000)))
    assert log.read(0, 3).lines == ("49997", "49998", "49999")


def test_a_cursor_from_another_life_begins_at_the_oldest_line_when_the_file_is_new(tmp_path: Path) -> None:
    log = ServiceLog(tmp_path / "api.log")
    write(log, "new\n")
    assert log.read(10_000, 10).lines == ("new",)


def test_bytes_that_are_no_text_are_shown_somehow_when_a_service_writes_them(tmp_path: Path) -> None:
    log = ServiceLog(tmp_path / "api.log")
    log.path.write_bytes(b"\xff\xfe ok\n")
    assert log.read(0, 10).lines[0].endswith(" ok")


@pytest.mark.process
def test_no_line_is_lost_and_nothing_is_raised_when_the_disk_has_no_room_to_set_the_file_aside(
    tmp_path: Path, small_disk: Callable[..., SmallDisk]
) -> None:
    disk = small_disk(tmp_path / "services")
    log = ServiceLog(disk.folder / "api.log", max_bytes=100_000)
    write(log, "line\n" * 100_000)
    disk.fill()
    for _ in range(3):
        log.rotate()
    assert log.path.stat().st_size == 500_000
    assert not (disk.folder / "api.log.1").exists()
    disk.free()
    log.rotate()
    assert log.path.stat().st_size == 0
    assert log.read(0, 10).lines == ("line",) * 10
