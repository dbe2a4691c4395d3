"""What this process may use of the machine's memory."""

import resource
from pathlib import Path

import pytest

from pipeline.core import memory


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_machine_has_its_memory_when_no_group_limits_it() -> None:
    assert 2**28 < memory.stage_share_bytes() < memory.machine_bytes() < 2**50


@pytest.mark.parametrize(
    ("own", "files", "limit"),
    [
        ("0::/\n", {"memory.max": "1073741824\n"}, 2**30),  # a container with a namespace of its own
        ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/memory.max": "2147483648\n"}, 2**31),
        ("9:name=systemd:/\n4:memory:/a\n0::/\n", {"memory/a/memory.limit_in_bytes": "1073741824\n"}, 2**30),
        ("5:memory:/docker/1\n", {"memory/memory.limit_in_bytes": "1073741824\n"}, 2**30),  # seen from inside
        ("4:cpu,cpuacct:/a\n", {"memory/memory.limit_in_bytes": "1073741824\n"}, None),
        ("", {}, None),
    ],
)
def test_the_lowest_limit_counts_when_groups_have_one(
    tmp_path: Path, own: str, files: dict[str, str], limit: int | None
) -> None:
    for name, text in files.items():
        _write(tmp_path / "groups" / name, text)
    _write(tmp_path / "cgroup", own)
    whole = memory.machine_bytes(tmp_path / "missing", tmp_path / "groups")
    assert memory.machine_bytes(tmp_path / "cgroup", tmp_path / "groups") == (limit or whole)


def test_the_limit_of_the_process_is_known_and_can_be_stretched_when_it_has_a_reserve() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (2**40, before[1]))
        assert memory.process_limit_bytes() == 2**40
        memory.use_reserve()
        assert resource.getrlimit(resource.RLIMIT_DATA) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
