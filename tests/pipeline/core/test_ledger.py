"""Which versions may serve, as the ledger tells it."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.ledger import LEDGER_FILE, LedgerDeployment, read_deployments, servable_bundles


def line(id: int, kind: str, to: str | None, *, left: str | None = None, outcome: str = "done") -> dict[str, Any]:
    return {"event": "deployment", "id": id, "kind": kind, "outcome": outcome, "from_bundle": left, "to_bundle": to}


def bundles(*lines: dict[str, Any]) -> list[str]:
    return servable_bundles(LedgerDeployment.model_validate(each) for each in lines)


FIRST, SECOND = line(1, "deploy", "a"), line(2, "deploy", "b", left="a")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], []),
        ([FIRST, SECOND], ["b", "a"]),
        ([FIRST, SECOND, line(3, "promote", "a", left="b")], ["a", "b"]),
        ([FIRST, line(2, "deploy", "b", left="a", outcome="failed")], ["a"]),
        ([FIRST, line(2, "deploy", "b", left="a", outcome="pending")], ["a"]),
        ([FIRST, SECOND, line(3, "rollback", "a", left="b")], ["a"]),
        ([FIRST, SECOND, line(3, "rollback", "a", left="b", outcome="failed")], ["b", "a"]),
        ([FIRST, SECOND, line(3, "rollback", "a", left="b"), line(4, "promote", "b", left="a")], ["b", "a"]),
        # The line of the rollback itself was lost.
        ([FIRST, line(2, "deploy", "b", left="a", outcome="undone")], ["a"]),
        ([FIRST, SECOND, line(3, "fallback", "a", left="b")], ["a", "b"]),
        ([FIRST, line(2, "deploy", "../b", left="a"), line(3, "deploy", ".new-b"), line(4, "deploy", "")], ["a"]),
    ],
)
def test_a_bundle_may_serve_when_it_was_live_and_not_rolled_back(
    lines: list[dict[str, Any]], expected: list[str]
) -> None:
    assert bundles(*lines) == expected


def test_a_version_stays_out_when_its_deployment_is_undone_by_a_later_line(tmp_path: Path) -> None:
    back = line(3, "auto_rollback", "a", left="b")
    later = line(2, "deploy", "b", left="a", outcome="undone")
    _write(tmp_path, *map(json.dumps, (FIRST, SECOND, back, later)))
    deployments = read_deployments(tmp_path)
    assert [(each.id, each.outcome) for each in deployments] == [(1, "done"), (2, "undone"), (3, "done")]
    assert servable_bundles(deployments) == ["a"]


def test_a_line_is_skipped_when_it_is_torn_or_says_something_else(tmp_path: Path) -> None:
    other = [json.dumps({"event": "version", "id": 2}), "", "\x00\x00", "[1]", json.dumps(SECOND)[:40]]
    _write(tmp_path, json.dumps({**FIRST, "sha256": "x", "new": [1]}), *other)
    assert [each.to_bundle for each in read_deployments(tmp_path)] == ["a"]


def test_there_are_no_deployments_when_there_is_no_ledger(tmp_path: Path) -> None:
    assert read_deployments(tmp_path) == []


def _write(folder: Path, *lines: str) -> None:
    (folder / LEDGER_FILE).write_bytes("\n".join(lines).encode())
