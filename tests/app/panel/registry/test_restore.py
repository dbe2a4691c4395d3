"""The history of models comes back from their folder when the database has lost it."""

import shutil
from datetime import UTC, datetime

from sqlmodel import select

from app.panel.clock import SystemClock
from app.panel.db.migrate import open_database
from app.panel.registry.ledger import read_ledger
from app.panel.registry.restore import RestoredModels, restore_models
from app.panel.registry.tables import Deployment, ModelVersion
from app.panel.runs.domain.tables import Run
from pipeline.core.ledger import LEDGER_FILE
from tests.app.panel.registry.conftest import RegistryHarness

NOW = datetime(2026, 2, 3, tzinfo=UTC)


def rows(registry: RegistryHarness) -> list[dict[str, object]]:
    with registry.db.read() as session:
        versions = [row.model_dump() for row in session.exec(select(ModelVersion))]
        return versions + [row.model_dump() for row in session.exec(select(Deployment))]


def lose_database(registry: RegistryHarness) -> None:
    """Open the panel again on the same folders, without its database."""
    registry.models.close()
    registry.db.close()
    for file in registry.folder.glob("panel.db*"):
        file.unlink()
    registry.db = open_database(registry.folder / "panel.db", SystemClock().now())
    registry.begin()


def restore(registry: RegistryHarness) -> RestoredModels:
    return restore_models(registry.db, registry.models_dir, NOW)


def test_every_column_is_as_before_when_the_database_is_lost(registry: RegistryHarness) -> None:
    for run in (1, 2, 3):
        registry.deploy(run)
    registry.deploy(4, "keep")
    registry.models.roll_back("anna")
    before = rows(registry)
    lose_database(registry)
    assert restore(registry) == RestoredModels(versions=(1, 2, 3, 4), n_deployments=4)
    assert rows(registry) == before
    assert (registry.live, [row.version for row in registry.queries.targets()]) == (2, [1])


def test_nothing_is_done_when_the_database_knows_everything(registry: RegistryHarness) -> None:
    registry.deploy(1)
    ledger = (registry.models_dir / LEDGER_FILE).read_bytes()
    assert restore(registry) == RestoredModels()
    assert (registry.models_dir / LEDGER_FILE).read_bytes() == ledger


def test_ledger_is_completed_when_only_the_database_knows_something(registry: RegistryHarness) -> None:
    registry.deploy(1)
    registry.deploy(2)
    whole = read_ledger(registry.models_dir)
    (registry.models_dir / LEDGER_FILE).unlink()
    assert restore(registry) == RestoredModels()
    assert read_ledger(registry.models_dir) == whole


def test_blocked_model_stays_blocked_when_its_rollback_is_read_back(registry: RegistryHarness) -> None:
    registry.deploy(1)
    registry.deploy(2, model="same")
    registry.models.roll_back("anna")
    lose_database(registry)
    restore(registry)
    assert not registry.deploy(3, model="same").deployed


def test_runs_tell_what_was_live_when_there_is_no_ledger(registry: RegistryHarness) -> None:
    registry.deploy(1)
    registry.deploy(2, "keep")
    registry.deploy(3)
    (registry.models_dir / LEDGER_FILE).unlink()
    lose_database(registry)
    with registry.db.write() as session:
        for number in (1, 2, 3):
            session.add(
                Run(
                    id=f"run-{number}",
                    number=number,
                    state="succeeded",
                    from_stage="set_seed",
                    params={},
                    requested_by="",
                    created_at=NOW,
                    model_version=number,
                    deployed=number != 2,
                    verdict={"decision": "promote" if number != 2 else "keep", "reason": f"Because of {number}."},
                )
            )
    assert restore(registry) == RestoredModels(versions=(1, 2, 3), n_deployments=2)
    assert registry.history() == [("deploy", None, 1, "done"), ("deploy", 1, 3, "done")]
    second = registry.queries.find(2)
    assert second is not None
    assert (second.state, second.reason) == ("kept", "Because of 2.")


def test_pointer_tells_what_is_live_when_nothing_else_does(registry: RegistryHarness) -> None:
    registry.deploy(1)
    registry.deploy(2)
    (registry.models_dir / LEDGER_FILE).unlink()
    lose_database(registry)
    assert restore(registry) == RestoredModels(versions=(1, 2), n_deployments=1)
    assert registry.history() == [("deploy", None, 2, "done")]


def test_version_is_not_offered_when_its_files_have_vanished(registry: RegistryHarness) -> None:
    registry.deploy(1)
    registry.deploy(2)
    aside = registry.folder / "aside"
    shutil.move(registry.models_dir / "versions" / "run-1", aside)
    assert restore(registry) == RestoredModels(lost=(1,))
    assert registry.queries.targets() == []
    shutil.move(aside, registry.models_dir / "versions" / "run-1")  # the folder was not mounted
    assert restore(registry) == RestoredModels(versions=(1,))
    assert [row.version for row in registry.queries.targets()] == [1]


def test_bundle_is_left_alone_when_it_is_damaged_or_its_number_is_taken(registry: RegistryHarness) -> None:
    registry.deploy(1)
    versions = registry.models_dir / "versions"
    shutil.copytree(versions / "run-1", versions / "copy")
    shutil.copytree(versions / "run-1", versions / "torn")
    (versions / "torn" / "manifest.json").write_text("{")
    assert restore(registry) == RestoredModels(unreadable=("torn",), conflicting=("copy",))
