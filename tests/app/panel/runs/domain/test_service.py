"""The verbs of runs."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from app.panel.runs.domain.problems import ActiveRunError, InvalidParamsError
from app.panel.runs.domain.state import RunState, Trigger
from bench.empty_stages import EMPTY_STAGES
from pipeline.core.problems import ProblemError
from tests.app.panel.runs.conftest import MakeHarness
from tests.app.panel.runs.panel_harness import with_faulty_stage
from tests.builders.disks import SmallDisk

pytestmark = pytest.mark.process


class Usage(NamedTuple):
    """The result of shutil.disk_usage."""

    total: int
    used: int
    free: int


def test_parameters_lie_over_defaults_when_given(make_harness: MakeHarness) -> None:
    harness = make_harness()
    run_id = harness.runs.start(params={"target": "y", "linear": {"c": 2.0}}).id
    params = harness.queries.detail(run_id).params
    assert (params["target"], params["linear"]["c"], params["linear"]["max_iter"]) == ("y", 2.0, 1000)
    assert params["seed"] == 7  # the setting


def test_parameters_are_those_of_the_newest_run_when_none_are_given(make_harness: MakeHarness) -> None:
    harness = make_harness()
    harness.runs.cancel(harness.runs.start(params={"target": "y"}).id)
    run_id = harness.runs.start().id
    assert harness.queries.detail(run_id).params["target"] == "y"


def test_parameters_that_did_not_fit_the_table_are_not_repeated_when_none_are_given(make_harness: MakeHarness) -> None:
    harness = make_harness()
    harness.run_to_end(params={"target": "good"})
    harness.stages = with_faulty_stage("refuses_target")
    mistyped = harness.run_to_end(params={"target": "gud"}).row
    assert (mistyped.state, mistyped.has_invalid_params) == (RunState.FAILED, True)
    harness.stages = with_faulty_stage("refuses")  # the table is at fault: the parameters still count
    absent = harness.run_to_end(params={"target": "other"}).row
    assert (absent.state, absent.has_invalid_params) == (RunState.FAILED, False)
    assert harness.run_to_end().params["target"] == "other"
    harness.stages = with_faulty_stage("refuses_target")
    harness.run_to_end(params={"target": "gud"})
    harness.stages = EMPTY_STAGES
    assert harness.run_to_end().params["target"] == "other"


def test_parameters_are_the_defaults_when_no_run_has_fitted_the_table(make_harness: MakeHarness) -> None:
    harness = make_harness(with_faulty_stage("refuses_target"))
    harness.run_to_end(params={"target": "gud"})
    assert harness.run_to_end().params["target"] is None


def test_run_of_an_earlier_version_can_be_done_again_when_a_parameter_is_gone(make_harness: MakeHarness) -> None:
    harness = make_harness()
    old = harness.run_to_end(params={"target": "y"})
    harness.store.record(old.row.id, params={**old.params, "no_longer": 1})
    again = harness.runs.rerun(old.row.id)
    assert harness.queries.detail(again.id).params["target"] == "y"


@pytest.mark.parametrize("trigger", ["schedule", "drift"])
def test_schedule_and_drift_repeat_what_succeeded_when_the_newest_run_failed(
    make_harness: MakeHarness, trigger: str
) -> None:
    harness = make_harness()
    harness.run_to_end(params={"target": "good"})
    harness.runs.cancel(harness.runs.start(params={"target": "bad"}).id)
    run_id = harness.runs.start(Trigger(trigger)).id
    assert harness.queries.detail(run_id).params["target"] == "good"


def test_changed_setting_counts_when_no_run_has_said_a_target(make_harness: MakeHarness) -> None:
    harness = make_harness()
    harness.runs.cancel(harness.runs.start().id)
    harness.close()
    harness.settings = harness.settings.model_copy(update={"target": "later"})
    harness.open()
    run_id = harness.runs.start().id
    assert harness.queries.detail(run_id).params["target"] == "later"


def test_every_wrong_parameter_is_named_when_some_are(make_harness: MakeHarness) -> None:
    with pytest.raises(InvalidParamsError) as caught:
        make_harness().runs.start(params={"test_share": 2, "linear": {"c": -1}})
    assert (caught.value.id, caught.value.status) == ("RUN-03", 422)
    assert [field for field, _ in caught.value.errors] == ["test_share", "linear.c"]
    assert "(1 more)" in caught.value.what


def test_active_run_is_named_when_another_is_asked_for(make_harness: MakeHarness) -> None:
    harness = make_harness()
    first = harness.runs.start()
    with pytest.raises(ActiveRunError, match="Run 1 is queued") as caught:
        harness.runs.start()
    assert (caught.value.id, caught.value.as_dict()["run_id"]) == ("RUN-01", first.id)


def test_start_in_the_middle_is_refused_when_there_is_nothing_before(make_harness: MakeHarness) -> None:
    with pytest.raises(ProblemError, match="no result of process_data") as caught:
        make_harness().runs.start(from_stage="train_model")
    assert caught.value.id == "RUN-04"


def test_start_in_the_middle_takes_over_the_newest_results_when_there_are_some(make_harness: MakeHarness) -> None:
    harness = make_harness()
    first = harness.run_to_end()
    run = harness.run_to_end(from_stage="train_model")
    assert run.row.parent_id == first.row.id
    assert [stage.state for stage in run.stages] == ["reused", "reused", "succeeded", "succeeded"]


def test_start_is_refused_when_the_disk_is_nearly_full(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(2**40, 2**40 - 2**20, 2**20))
    with pytest.raises(ProblemError, match="Only 1 MB are free") as caught:
        make_harness().runs.start()
    assert (caught.value.id, caught.value.status) == ("DISK-01", 507)


@pytest.mark.parametrize("name", ["models", "data/processed"])
def test_start_is_refused_when_another_disk_than_that_of_the_state_is_nearly_full(
    make_harness: MakeHarness, tmp_path: Path, small_disk: Callable[..., SmallDisk], name: str
) -> None:
    harness = make_harness()
    (tmp_path / "data" / "raw" / "a.csv").write_bytes(bytes(2**21))
    disk = small_disk(tmp_path / name)
    with pytest.raises(ProblemError, match="DISK-01") as caught:
        harness.runs.start()
    assert caught.value.what.endswith(f"the disk of {disk.folder}.")
    assert caught.value.command == f"df -h {disk.folder}"


def test_cancel_is_refused_when_the_run_has_succeeded(make_harness: MakeHarness) -> None:
    harness = make_harness()
    run = harness.run_to_end()
    with pytest.raises(ProblemError, match="it has succeeded") as caught:
        harness.runs.cancel(run.row.id)
    assert (caught.value.id, caught.value.status) == ("RUN-05", 409)


def test_cancel_is_final_at_once_when_the_run_has_not_begun(make_harness: MakeHarness) -> None:
    harness = make_harness()
    started = harness.runs.start()
    assert harness.runs.cancel(str(started.number)) == RunState.CANCELLED
    assert harness.store.find_active() is None


def test_rerun_keeps_parameters_and_starts_from_the_first_stage_when_the_run_succeeded(
    make_harness: MakeHarness,
) -> None:
    harness = make_harness()
    first = harness.run_to_end(params={"target": "y"})
    run = harness.queries.detail(harness.runs.rerun(first.row.id, params={"seed": 1}).id)
    assert (run.row.from_stage, run.params["target"], run.params["seed"]) == ("set_seed", "y", 1)
    assert harness.queries.detail(first.row.id).reruns[0].id == run.row.id


def test_rerun_is_refused_when_the_stage_before_left_nothing(make_harness: MakeHarness) -> None:
    harness = make_harness()
    run_id = harness.runs.start().id
    harness.runs.cancel(run_id)
    with pytest.raises(ProblemError) as caught:
        harness.runs.rerun(run_id, from_stage="deploy")
    assert caught.value.id == "RUN-04"


def test_run_starts_all_the_same_when_stored_parameters_are_of_another_version(make_harness: MakeHarness) -> None:
    harness = make_harness()
    first = harness.runs.start(params={"target": "y"})
    harness.runs.cancel(first.id)
    harness.store.record(first.id, params={"target": "y", "of_old": 1})
    second = harness.runs.start()
    harness.runs.cancel(second.id)
    assert harness.queries.detail(second.id).params["target"] == "y"
    harness.store.record(second.id, params={"target": "y", "seed": "of_old"})
    assert harness.queries.detail(harness.runs.start().id).params["seed"] == 7


def test_each_form_of_a_page_starts_a_run_of_its_own_when_they_share_a_key(make_harness: MakeHarness) -> None:
    harness = make_harness()

    def start(seed: int) -> str:
        return harness.runs.start(params={"seed": seed}, idempotency_key="page", is_shared_key=True).id

    first = start(1)
    assert start(1) == first  # a double click
    harness.runs.cancel(first)
    assert start(1) == first
    assert start(2) != first  # back, and sent with other parameters
