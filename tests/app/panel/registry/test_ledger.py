"""The journal of versions and deployments beside the pointer."""

import json
from pathlib import Path

from app.panel.registry.ledger import Ledger, read_ledger
from pipeline.core.ledger import LEDGER_FILE
from tests.app.panel.registry.conftest import RegistryHarness


def test_ledger_says_what_the_history_says_when_models_went_live_and_back(registry: RegistryHarness) -> None:
    for run in (1, 2):
        registry.deploy(run)
    registry.deploy(3, "keep")
    registry.models.roll_back("anna")
    lines, deployments = read_ledger(registry.models_dir)
    assert {number: (line["bundle"], line["decision"]) for number, line in lines.items()} == {
        1: ("run-1", "promote"),
        2: ("run-2", "promote"),
        3: ("run-3", "keep"),
    }
    told = [(row.kind, row.from_version, row.to_version, row.outcome) for _, row in sorted(deployments.items())]
    assert told == registry.history()


def test_later_line_counts_when_two_are_about_the_same_deployment(registry: RegistryHarness) -> None:
    registry.deploy(1)
    registry.deploy(2)
    path = registry.models_dir / LEDGER_FILE
    last = json.loads(path.read_text().splitlines()[-1])
    Ledger(registry.models_dir).append([{**last, "outcome": "undone"}])
    assert read_ledger(registry.models_dir)[1][last["id"]].outcome == "undone"


def test_one_line_is_lost_when_a_kill_came_in_the_middle_of_it(registry: RegistryHarness) -> None:
    registry.deploy(1)
    path = registry.models_dir / LEDGER_FILE
    path.write_bytes(path.read_bytes()[:-20])
    Ledger(registry.models_dir).append([{"event": "version", "version": 9}, {"event": "of a later version"}, {}])
    lines, deployments = read_ledger(registry.models_dir)
    assert (sorted(lines), deployments) == ([1, 9], {})


def test_nothing_is_read_when_there_is_no_ledger(tmp_path: Path) -> None:
    assert read_ledger(tmp_path) == ({}, {})


def test_deployment_is_done_when_the_ledger_cannot_be_written(registry: RegistryHarness) -> None:
    (registry.models_dir / LEDGER_FILE).mkdir()
    assert registry.deploy(1).deployed
