"""Columns that the live model needs may not vanish, and its own test rows stay its own."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.core.manifest import Feature, Histogram, Manifest
from pipeline.core.params import Params
from pipeline.core.problems import DataError
from pipeline.features.compatibility import check_against, held_out_rows, live_model
from pipeline.features.split import row_hashes, split
from pipeline.features.target import resolve
from pipeline.ingest import tables
from pipeline.ingest.columns import Table


def read(folder: Path, header: str, rows: list[str]) -> Table:
    path = folder / "t.csv"
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return tables.read([path])


def champion(target: str = "t", task: str = "binary") -> Manifest:
    features = [
        Feature(name="age", kind="numeric", nullable=False),
        Feature(name="flag", kind="boolean", nullable=False),
        Feature(name="city", kind="categorical", nullable=False),
    ]
    return Manifest.model_validate(
        {
            "version": 3,
            "run_id": "r3",
            "created_at": "2026-01-01T00:00:00Z",
            "digest": "d",
            "model_sha256": "m",
            "model_bytes": 1,
            "task": task,
            "target": target,
            "estimator": "dummy",
            "hyperparameters": {},
            "primary_metric": "roc_auc",
            "metrics": {},
            "importances": {},
            "features": features,
            "score_histogram": Histogram(edges=[0, 1], counts=[1]),
            "golden": [],
            "seed": 1,
            "n_train": 1,
            "n_test": 1,
            "data_digest": "x",
            "code_digest": "x",
            "params_digest": "x",
            "versions": {},
        }
    )


def check(table: Table, live: Manifest, params: Params | None = None) -> list[str]:
    params = params or Params()
    return check_against(live, table, resolve(table, "t", params.task), params)


ROWS = ["30,True,Rom,0", "40,False,Ulm,1"]


def test_nothing_is_said_when_the_table_has_what_the_live_model_had(tmp_path: Path) -> None:
    assert check(read(tmp_path, "age,flag,city,t", ROWS), champion()) == []


def test_new_columns_are_reported_when_there_are_some(tmp_path: Path) -> None:
    table = read(tmp_path, "age,flag,city,t,extra", [f"{row},5" for row in ROWS])
    assert check(table, champion()) == ["New since the live model: 'extra'."]


def test_columns_that_the_live_model_left_out_are_not_new(tmp_path: Path) -> None:
    table = read(tmp_path, "age,flag,city,t,extra", [f"{row},5" for row in ROWS])
    assert check(table, champion().model_copy(update={"left_out": ["extra", "t"]})) == []


def test_it_is_reported_when_a_column_is_gone_that_only_affected_the_split(tmp_path: Path) -> None:
    live = champion().model_copy(update={"left_out": ["name", "t"]})
    table = read(tmp_path, "age,flag,city,t", ROWS)
    assert [warning.split(":")[0] for warning in check(table, live)] == [
        "Without 'name' it is unknown which rows the live model was trained on"
    ]
    assert held_out_rows(live, table, row_hashes(table.columns.values(), table.n_rows), 0.2) is None


def test_the_live_models_own_test_rows_are_new_to_it_whatever_the_share_and_the_columns_are_now(
    tmp_path: Path,
) -> None:
    rows = [f"{i},{i % 2 == 0},Rom,{i % 2}" for i in range(300)]
    old = read(tmp_path, "age,flag,city,t", rows)
    hashes = row_hashes(old.columns.values(), 300)
    live = champion().model_copy(update={"left_out": ["t"], "test_share": 0.3})
    expected = split(hashes, 0.3).test
    np.testing.assert_array_equal(held_out_rows(live, old, hashes, 0.1), expected)
    wider = read(tmp_path, "age,flag,city,t,extra", [f"{row},{i}" for i, row in enumerate(rows)])
    held_out = held_out_rows(live, wider, row_hashes(wider.columns.values(), 300), 0.3)
    np.testing.assert_array_equal(held_out, expected)


def test_a_boolean_may_become_a_number_when_it_is_written_so(tmp_path: Path) -> None:
    assert check(read(tmp_path, "age,flag,city,t", ["30,1,Rom,0", "40,0,Ulm,1"]), champion()) == []


@pytest.mark.parametrize(
    ("header", "rows", "why"),
    [
        ("age,flag,t", ["30,True,0", "40,False,1"], "1 gone: 'city'"),
        ("age,flag,city,t", ["old,True,Rom,0", "young,False,Ulm,1"], "'age' was a number"),
        ("age,flag,city,t", ["30,True,1,0", "40,False,2,1"], "'city' was text"),
        ("age,flag,city,t", ["30,True,Rom,a", "40,False,Ulm,b", "1,True,Rom,c"], "was binary and now is multiclass"),
    ],
)
def test_the_change_is_named_when_the_live_model_could_not_be_replaced(
    tmp_path: Path, header: str, rows: list[str], why: str
) -> None:
    with pytest.raises(DataError) as caught:
        check(read(tmp_path, header, rows), champion())
    assert caught.value.id == "DATA-16"
    assert why in caught.value.why


def test_a_column_may_go_when_it_is_ignored_by_name(tmp_path: Path) -> None:
    table = read(tmp_path, "age,flag,t", ["30,True,0", "40,False,1"])
    assert check(table, champion(), Params(ignore=("city",))) == []


def test_a_column_is_what_it_was_when_it_has_no_value_now(tmp_path: Path) -> None:
    assert check(read(tmp_path, "age,flag,city,t", ["30,True,,0", "40,False,,1"]), champion()) == []


@pytest.mark.parametrize(
    ("header", "target"), [("age,flag,city,t", "other"), ("width,height,depth,t", "t"), ("age,height,depth,t", "t")]
)
def test_another_table_is_taken_when_it_has_little_of_the_old_one(tmp_path: Path, header: str, target: str) -> None:
    warnings = check(read(tmp_path, header, ROWS), champion(target))
    assert len(warnings) == 1
    assert "different table" in warnings[0]


def test_there_is_no_live_model_when_there_is_no_pointer_or_a_broken_one(tmp_path: Path) -> None:
    assert live_model(tmp_path) is None
    (tmp_path / "current.json").write_text("{")
    assert live_model(tmp_path) is None
