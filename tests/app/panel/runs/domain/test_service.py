"""The verbs of runs."""

import shutil
from typing import NamedTuple

import pytest

from app.panel.runs.domain.service import ParamsError
from app.panel.runs.domain.state import RunState, Trigger
from app.panel.runs.domain.store import ActiveRunError
from pipeline.core.problems import ProblemError
from tests.app.panel.runs.conftest import MakeHouse
from tests.app.panel.runs.panel_harness import EMPTY, bad


class Usage(NamedTuple):
    """What shutil.disk_usage returns."""

    total: int
    used: int
    free: int


def test_parameters_lie_over_defaults_when_given(make_house: MakeHouse) -> None:
    house = make_house()
    run_id = house.runs.start(params={"target": "y", "linear": {"c": 2.0}}).id
    params = house.queries.detail(run_id).params
    assert (params["target"], params["linear"]["c"], params["linear"]["max_iter"]) == ("y", 2.0, 1000)
    assert params["seed"] == 7  # the setting


def test_parameters_are_those_of_the_newest_run_when_none_are_given(make_house: MakeHouse) -> None:
    house = make_house()
    house.runs.cancel(house.runs.start(params={"target": "y"}).id)
    run_id = house.runs.start().id
    assert house.queries.detail(run_id).params["target"] == "y"


def test_parameters_that_did_not_fit_the_table_are_not_repeated_when_none_are_given(make_house: MakeHouse) -> None:
    house = make_house()
    house.play(params={"target": "good"})
    house.stages = bad("refuses_target")
    mistyped = house.play(params={"target": "gud"}).row
    assert (mistyped.state, mistyped.is_refused) == (RunState.FAILED, True)
    house.stages = bad("refuses")  # the table is at fault: the parameters still count
    absent = house.play(params={"target": "other"}).row
    assert (absent.state, absent.is_refused) == (RunState.FAILED, False)
    assert house.play().params["target"] == "other"
    house.stages = bad("refuses_target")
    house.play(params={"target": "gud"})
    house.stages = EMPTY
    assert house.play().params["target"] == "other"


def test_parameters_are_the_defaults_when_no_run_has_fitted_the_table(make_house: MakeHouse) -> None:
    house = make_house(bad("refuses_target"))
    house.play(params={"target": "gud"})
    assert house.play().params["target"] is None


def test_run_of_an_earlier_version_can_be_done_again_when_a_parameter_is_gone(make_house: MakeHouse) -> None:
    house = make_house()
    old = house.play(params={"target": "y"})
    house.store.record(old.row.id, params={**old.params, "no_longer": 1})
    again = house.runs.rerun(old.row.id)
    assert house.queries.detail(again.id).params["target"] == "y"


@pytest.mark.parametrize("trigger", ["schedule", "drift"])
def test_schedule_and_drift_repeat_what_succeeded_when_the_newest_run_failed(
    make_house: MakeHouse, trigger: str
) -> None:
    house = make_house()
    house.play(params={"target": "good"})
    house.runs.cancel(house.runs.start(params={"target": "bad"}).id)
    run_id = house.runs.start(Trigger(trigger)).id
    assert house.queries.detail(run_id).params["target"] == "good"


def test_changed_setting_counts_when_no_run_has_said_a_target(make_house: MakeHouse) -> None:
    house = make_house()
    house.runs.cancel(house.runs.start().id)
    house.close()
    house.settings = house.settings.model_copy(update={"target": "later"})
    house.open()
    run_id = house.runs.start().id
    assert house.queries.detail(run_id).params["target"] == "later"


def test_every_wrong_parameter_is_named_when_some_are(make_house: MakeHouse) -> None:
    with pytest.raises(ParamsError) as caught:
        make_house().runs.start(params={"test_share": 2, "linear": {"c": -1}})
    assert (caught.value.id, caught.value.status) == ("RUN-03", 422)
    assert [field for field, _ in caught.value.errors] == ["test_share", "linear.c"]
    assert "(1 more)" in caught.value.what


def test_active_run_is_named_when_another_is_asked_for(make_house: MakeHouse) -> None:
    house = make_house()
    first = house.runs.start()
    with pytest.raises(ActiveRunError, match="Run 1 is queued") as caught:
        house.runs.start()
    assert (caught.value.id, caught.value.as_dict()["run_id"]) == ("RUN-01", first.id)


def test_start_in_the_middle_is_refused_when_there_is_nothing_before(make_house: MakeHouse) -> None:
    with pytest.raises(ProblemError, match="no result of process_data") as caught:
        make_house().runs.start(from_stage="train_model")
    assert caught.value.id == "RUN-04"


def test_start_in_the_middle_takes_over_the_newest_results_when_there_are_some(make_house: MakeHouse) -> None:
    house = make_house()
    first = house.play()
    run = house.play(from_stage="train_model")
    assert run.row.parent_id == first.row.id
    assert [stage.state for stage in run.stages] == ["reused", "reused", "succeeded", "succeeded"]


def test_start_is_refused_when_the_disk_is_nearly_full(make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(2**40, 2**40 - 2**20, 2**20))
    with pytest.raises(ProblemError, match="Only 1 MB are free") as caught:
        make_house().runs.start()
    assert (caught.value.id, caught.value.status) == ("DISK-01", 507)


def test_cancel_is_refused_when_the_run_has_succeeded(make_house: MakeHouse) -> None:
    house = make_house()
    run = house.play()
    with pytest.raises(ProblemError, match="it has succeeded") as caught:
        house.runs.cancel(run.row.id)
    assert (caught.value.id, caught.value.status) == ("RUN-05", 409)


def test_cancel_is_final_at_once_when_the_run_has_not_begun(make_house: MakeHouse) -> None:
    house = make_house()
    started = house.runs.start()
    assert house.runs.cancel(str(started.number)) == RunState.CANCELLED
    assert house.store.find_active() is None


def test_rerun_keeps_parameters_and_starts_anew_when_the_run_succeeded(make_house: MakeHouse) -> None:
    house = make_house()
    first = house.play(params={"target": "y"})
    run = house.queries.detail(house.runs.rerun(first.row.id, params={"seed": 1}).id)
    assert (run.row.from_stage, run.params["target"], run.params["seed"]) == ("set_seed", "y", 1)
    assert house.queries.detail(first.row.id).reruns[0].id == run.row.id


def test_rerun_is_refused_when_the_stage_before_left_nothing(make_house: MakeHouse) -> None:
    house = make_house()
    run_id = house.runs.start().id
    house.runs.cancel(run_id)
    with pytest.raises(ProblemError) as caught:
        house.runs.rerun(run_id, from_stage="deploy")
    assert caught.value.id == "RUN-04"


def test_run_starts_all_the_same_when_stored_parameters_are_of_another_version(make_house: MakeHouse) -> None:
    house = make_house()
    first = house.runs.start(params={"target": "y"})
    house.runs.cancel(first.id)
    house.store.record(first.id, params={"target": "y", "of_old": 1})
    second = house.runs.start()
    house.runs.cancel(second.id)
    assert house.queries.detail(second.id).params["target"] == "y"
    house.store.record(second.id, params={"target": "y", "seed": "of_old"})
    assert house.queries.detail(house.runs.start().id).params["seed"] == 7
