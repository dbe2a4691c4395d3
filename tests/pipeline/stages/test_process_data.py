"""A table goes in, a processed set comes out: fitted on training rows, made by the graph that will serve."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from pipeline.core.events import Events
from pipeline.core.params import Params
from pipeline.core.problems import DataError
from pipeline.core.runner import execute
from pipeline.core.stage import DataResult, StageContext, StageName, read_result
from pipeline.core.table_profile import Profile
from pipeline.features import job, processed_dataset
from pipeline.ingest.sample_table import generate, to_csv
from pipeline.onnx.session import Graph, RawRows
from pipeline.stages import process_data, set_seed
from tests.builders.disks import SmallDisk


def context(folder: Path, params: Params | None = None, stage: StageName = "process_data") -> StageContext:
    return StageContext(
        run_id="r1",
        stage=stage,
        attempt=1,
        params=params or Params(),
        data_dir=folder,
        models_dir=folder / "models",
        run_dir=folder / "run",
        version=1,
    )


def run(folder: Path, params: Params | None = None) -> tuple[DataResult, list[str]]:
    """Both data stages in this process; the result and what they said."""
    output = io.StringIO()
    assert execute(context(folder, params, "set_seed"), Events(output)) == 0
    assert execute(context(folder, params), Events(output)) == 0, output.getvalue()
    events = [json.loads(line) for line in output.getvalue().splitlines()]
    return read_result(folder / "run", "process_data", DataResult), [e["text"] for e in events if e["event"] == "log"]


def refused(folder: Path, params: Params | None = None) -> DataError:
    assert execute(context(folder, params, "set_seed"), Events(io.StringIO())) == 0
    with pytest.raises(DataError) as caught:
        process_data.run(context(folder, params), Events(io.StringIO()))
    processed = folder / "processed"
    assert not processed.exists() or not list(processed.iterdir())
    return caught.value


def write(folder: Path, frame: pd.DataFrame, name: str = "t.csv") -> None:
    (folder / "raw").mkdir(exist_ok=True)
    frame.to_csv(folder / "raw" / name, index=False)


def mixed(n_rows: int = 900, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "amount (€)": np.exp(rng.normal(size=n_rows)).round(6),
            "word": rng.choice(["rot", "blau, hell", "grün"], n_rows),
            "flag": rng.choice([True, False], n_rows),
            "many": rng.choice([f"kind {i}" for i in range(30)], n_rows),
            "size": rng.integers(0, 50, n_rows),
        }
    )
    frame.loc[rng.random(n_rows) < 0.2, "amount (€)"] = np.nan
    frame.loc[rng.random(n_rows) < 0.1, "word"] = np.nan
    frame["target"] = rng.choice(["good", "bad"], n_rows)
    return frame


def test_the_sets_are_what_the_graph_makes_of_the_raw_rows_when_they_are_written(tmp_path: Path) -> None:
    write(tmp_path, mixed())
    result, _ = run(tmp_path, Params(derived_features=("Twice = 2 * `amount (€)` + size",)))
    folder = result.processed_dir
    X, y = processed_dataset.load_test(folder)
    numeric, categorical, raw_y = processed_dataset.load_raw_test(folder)
    np.testing.assert_array_equal(Graph(processed_dataset.load_graph(folder)).run(RawRows(numeric, categorical)), X)
    np.testing.assert_array_equal(y, raw_y)
    meta = processed_dataset.load_meta(folder)
    assert meta.sources["Twice"] == ["amount (€)", "size"]
    assert meta.derived == ["Twice = 2 * `amount (€)` + size"]
    assert [feature.kind for feature in meta.features] == [
        "numeric",
        "categorical",
        "boolean",
        "categorical",
        "numeric",
    ]
    assert X.shape[1] == len(meta.outputs)
    assert np.isfinite(X).all()


def test_statistics_come_from_training_rows_only_when_the_test_rows_are_different(tmp_path: Path) -> None:
    write(tmp_path, mixed())
    result, _ = run(tmp_path)
    X, y, validation = processed_dataset.load_train(result.processed_dir)
    place = processed_dataset.load_meta(result.processed_dir).outputs.index("size")
    assert X[:, place].mean() == pytest.approx(0, abs=1e-5)
    assert X[:, place].std() == pytest.approx(1, abs=1e-5)
    assert abs(processed_dataset.load_test(result.processed_dir)[0][:, place].mean()) > 1e-4
    assert (len(X), len(y), int(validation.sum())) == (
        result.n_train,
        result.n_train,
        processed_dataset.load_meta(result.processed_dir).n_validation,
    )


def test_every_row_is_on_one_side_with_its_own_target_when_the_sets_are_written(tmp_path: Path) -> None:
    frame = mixed()
    frame["target"] = np.where(frame["size"] > 25, "big", "small")
    write(tmp_path, frame)
    result, _ = run(tmp_path)
    assert result.n_train + result.n_test == result.n_rows == len(frame)
    assert result.classes == ["big", "small"]
    raw = processed_dataset.load_raw_test_frame(result.processed_dir)
    assert ((raw["size"] > 25) == (raw[processed_dataset.TARGET_COLUMN] == 0)).all()
    X, y, _ = processed_dataset.load_train(result.processed_dir)
    place = processed_dataset.load_meta(result.processed_dir).outputs.index("size")
    assert X[y == 0, place].min() > X[y == 1, place].max()


def test_the_same_bytes_come_out_when_the_same_table_is_processed_again(tmp_path: Path) -> None:
    write(tmp_path, mixed())
    first = run(tmp_path)[0].processed_dir
    before = {path.name: path.read_bytes() for path in first.iterdir()}
    shutil.rmtree(first)
    again = run(tmp_path)[0].processed_dir
    assert again == first
    assert {path.name: path.read_bytes() for path in again.iterdir()} == before
    assert set(before) == {
        "train.parquet",
        "test.parquet",
        "raw_test.parquet",
        "profile.json",
        "prepare.onnx",
        "prepare.json",
    }


def test_batches_do_not_show_when_the_rows_are_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, mixed())
    whole = run(tmp_path, Params(derived_features=("D = size * 2",)))[0].processed_dir
    expected = processed_dataset.load_train(whole)
    monkeypatch.setattr(job, "BATCH_ROWS", 64)
    pieces = run(tmp_path, Params(derived_features=("D = size * 2",)))[0].processed_dir
    for loaded, expected_array in zip(processed_dataset.load_train(pieces), expected, strict=True):
        np.testing.assert_array_equal(loaded, expected_array)
    assert processed_dataset.load_graph(pieces) == processed_dataset.load_graph(whole)


def test_rows_keep_their_sides_when_parameters_and_columns_of_use_change(tmp_path: Path) -> None:
    write(tmp_path, mixed())
    first = processed_dataset.load_raw_test_frame(run(tmp_path)[0].processed_dir)
    other = processed_dataset.load_raw_test_frame(
        run(tmp_path, Params(seed=7, ignore=("size",), scaling="none"))[0].processed_dir
    )
    pd.testing.assert_frame_equal(first, other)


def test_dropped_columns_stay_with_the_raw_test_rows_when_an_older_model_may_need_them(tmp_path: Path) -> None:
    write(tmp_path, mixed().assign(constant=3))
    result, log_lines = run(tmp_path)
    assert result.dropped == {"constant": "the same value in every training row"}
    assert "constant" in processed_dataset.load_raw_test_frame(result.processed_dir)
    assert "constant" not in [feature.name for feature in processed_dataset.load_meta(result.processed_dir).features]
    assert any("'constant' is dropped" in line for line in log_lines)
    assert any("'constant' is dropped" in line for line in result.warnings)


def test_rows_without_a_target_are_left_out_with_a_count_when_there_are_some(tmp_path: Path) -> None:
    frame = mixed()
    frame.loc[:9, "target"] = None
    write(tmp_path, frame)
    result, log_lines = run(tmp_path)
    assert result.n_rows == len(frame) - 10
    assert "10 rows without a value in 'target' are left out." in log_lines


def test_the_profile_tells_all_columns_when_some_are_dropped(tmp_path: Path) -> None:
    write(tmp_path, mixed().assign(constant=3))
    result, _ = run(tmp_path)
    profile = Profile.model_validate_json((result.processed_dir / "profile.json").read_bytes())
    assert [column.role for column in profile.columns] == ["feature"] * 5 + ["target", "dropped"]
    assert profile.n_train + profile.n_test == profile.n_rows == 900
    assert sum(category.count for category in profile.columns[5].categories) == profile.n_train


def test_the_example_is_a_row_without_gaps_when_there_is_one(tmp_path: Path) -> None:
    frame = mixed()
    write(tmp_path, frame)
    features = processed_dataset.load_meta(run(tmp_path)[0].processed_dir).features
    example = {feature.name: feature.example for feature in features}
    assert None not in example.values()
    same = frame[
        (frame["many"] == example["many"]) & (frame["size"] == example["size"]) & (frame["word"] == example["word"])
    ]
    assert any(np.isclose(value, float(str(example["amount (€)"])), rtol=1e-6) for value in same["amount (€)"])
    assert isinstance(example["flag"], bool)
    assert isinstance(example["size"], int)


@pytest.mark.parametrize(
    ("name", "task", "n_classes"),
    [
        ("breast_cancer", "binary", 2),
        ("wine", "multiclass", 3),
        ("diabetes", "regression", 0),
        ("digits", "multiclass", 10),
    ],
)
def test_a_table_needs_only_a_target_when_it_is_one_of_scikit_learn(
    tmp_path: Path, name: str, task: str, n_classes: int
) -> None:
    write(tmp_path, getattr(datasets, f"load_{name}")(as_frame=True).frame)
    result, _ = run(tmp_path)
    assert (result.task, len(result.classes)) == (task, n_classes)
    X, y, _ = processed_dataset.load_train(result.processed_dir)
    assert np.isfinite(X).all()
    assert y.dtype == (np.int64 if n_classes else np.float64)


def test_the_credit_table_gets_its_own_features_and_words_when_nothing_is_declared(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "cs-training.csv").write_bytes(to_csv(generate(3000)))
    result, log_lines = run(tmp_path)
    meta = processed_dataset.load_meta(result.processed_dir)
    assert (result.target, result.task, result.n_features, result.n_columns) == ("SeriousDlqin2yrs", "binary", 10, 11)
    assert [one.partition(" =")[0] for one in meta.derived][:2] == ["TotalLateDays", "IncomeExpenseDifference"]
    assert meta.outputs[-2:] == ["MonthlyIncome (missing)", "NumberOfDependents (missing)"]
    assert [feature.unit for feature in meta.features if feature.name == "age"] == ["years"]
    assert all(feature.description for feature in meta.features)
    assert any("MonthlyIncome" in line and "19.8%" in line for line in log_lines)


def test_many_gaps_are_summarised_when_a_table_is_wide(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(100, 40))).add_prefix("c")
    frame = frame.mask(rng.random(frame.shape) < 0.3)
    write(tmp_path, frame.assign(target=rng.normal(size=100)))
    log_lines = run(tmp_path)[1]
    assert sum("values missing" in line for line in log_lines) == 20
    assert "20 more columns have missing values" in log_lines


def test_a_table_of_texts_only_is_prepared_when_it_has_no_number(tmp_path: Path) -> None:
    write(tmp_path, mixed()[["word", "many", "target"]])
    result, _ = run(tmp_path)
    numeric, categorical, _ = processed_dataset.load_raw_test(result.processed_dir)
    assert (numeric.shape[1], categorical.shape[1]) == (0, 2)


def test_three_sets_are_kept_when_more_are_made(tmp_path: Path) -> None:
    write(tmp_path, mixed(200))
    folders = [run(tmp_path, Params(seed=seed))[0].processed_dir for seed in range(5)]
    assert {path.name for path in (tmp_path / "processed").iterdir()} == {path.name for path in folders[-3:]}


def test_the_run_ends_when_the_data_changed_after_its_first_stage(tmp_path: Path) -> None:
    write(tmp_path, mixed())
    set_up = context(tmp_path, stage="set_seed")
    assert execute(set_up, Events(io.StringIO())) == 0
    write(tmp_path, mixed(seed=1))
    with pytest.raises(DataError) as caught:
        process_data.run(context(tmp_path), Events(io.StringIO()))
    assert caught.value.id == "DATA-17"


def test_a_derived_feature_is_reported_when_it_never_has_a_value(tmp_path: Path) -> None:
    write(tmp_path, mixed())
    result, _ = run(tmp_path, Params(derived_features=("x = size / (size - size)", "y = size * 2")))
    assert result.warnings == ["The derived feature 'x' has no value in any training row."]


def test_nothing_is_left_behind_when_a_derived_feature_is_wrong(tmp_path: Path) -> None:
    write(tmp_path, mixed())
    assert refused(tmp_path, Params(derived_features=("x = word * 2",))).id == "DATA-21"


def test_the_table_is_refused_when_a_class_has_one_row(tmp_path: Path) -> None:
    frame = mixed()
    frame["target"] = "good"
    frame.loc[3, "target"] = "bad"
    write(tmp_path, frame)
    assert refused(tmp_path).id == "DATA-14"


def test_the_first_stage_fails_when_there_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        set_seed.run(context(tmp_path, stage="set_seed"), Events(io.StringIO()))
    assert caught.value.id == "DATA-01"


def test_a_huge_value_is_reported_when_it_would_hide_the_others(tmp_path: Path) -> None:
    frame = mixed()
    frame.loc[frame.index < 40, "amount (€)"] = 1e15
    write(tmp_path, frame)
    result, _ = run(tmp_path)
    warning = "Column 'amount (€)': under standard scaling, values as large as 1e+15 would make others equal; "
    assert [warning + "scaled by its quartiles instead."] == result.warnings
    result, _ = run(tmp_path, Params(estimator="linear"))
    assert [warning + "correct them, or use another estimator."] == result.warnings


def raw_table(folder: Path, rows: list[str]) -> None:
    (folder / "raw").mkdir(parents=True)
    (folder / "raw" / "t.csv").write_text("\n".join([*rows, ""]), "utf-8")


def test_rows_without_a_target_are_counted_with_their_words_when_they_are_left_out(tmp_path: Path) -> None:
    rows = [
        f"{i * 7 % 31}.5,{'' if i % 20 == 0 else 'N/A' if i % 20 == 1 else 'yes' if i % 3 else 'no'}"
        for i in range(200)
    ]
    raw_table(tmp_path, ["size,target", *rows])
    result, log = run(tmp_path)
    (warning,) = [text for text in result.warnings if "left out" in text]
    assert warning == (
        "20 rows, 10% of all, without a value in 'target' (read as missing: 'N/A' 10 times) are left out. To keep a word as a "
        "class, name it in columns.target.kept."
    )
    assert warning in " ".join(log)


def test_duplicates_are_counted_when_rows_or_columns_repeat(tmp_path: Path) -> None:
    sizes = [f"{i * 7 % 31}.{i:03}" for i in range(100)]
    rows = [f"{size},{size},{'uvw'[i % 3]},{'yes' if i % 5 else 'no'}" for i, size in enumerate(sizes)]
    raw_table(tmp_path, ["size,same,land,target", *rows, *rows[:3]])
    _, log = run(tmp_path)
    assert any("3 rows (2.9%) repeat another one" in line for line in log)
    assert any("Column 'same' holds the same values as 'size'" in line for line in log)


def test_what_gives_the_target_away_is_kept_for_the_gate_when_there_is_something(tmp_path: Path) -> None:
    rows = [f"{i * 7 % 31}.5,{'ab'[i % 2]}-{i % 6},{'ab'[i % 2]}" for i in range(200)]
    raw_table(tmp_path, ["size,code,class", *rows])
    result, _ = run(tmp_path)
    assert result.leakage == {"code": "determines class exactly"}
    assert result.target_is_guess
    assert result.warnings[0].startswith("The target 'class' was guessed from its name.")


@pytest.mark.process
@pytest.mark.parametrize(("breaks", "id"), [("fill", "DISK-03"), ("make_read_only", "DISK-05")])
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_folder_of_processed_sets_is_named_when_it_is_full_or_read_only(
    tmp_path: Path, small_disk: Callable[..., SmallDisk], name: str, breaks: str, id: str
) -> None:
    disk = small_disk(tmp_path / "processed", size="16k" if breaks == "fill" else "1m")
    write(tmp_path, _noise(500), name)
    assert execute(context(tmp_path, stage="set_seed"), Events(io.StringIO())) == 0
    if breaks == "make_read_only":
        disk.make_read_only()
    output = io.StringIO()
    assert execute(context(tmp_path), Events(output)) == 3
    problem = json.loads(output.getvalue().splitlines()[-1])
    # What is unpacked must leave 512 MB free, which a full disk does not: that is said before it is full.
    assert problem["id"] == ("DATA-27" if (name, breaks) == ("t.csv.gz", "fill") else id)
    assert str(disk.folder) in str(problem)
    assert not list(disk.folder.iterdir())


def test_folder_is_named_when_the_tables_are_gone(tmp_path: Path) -> None:
    write(tmp_path, _noise(500))
    assert execute(context(tmp_path, stage="set_seed"), Events(io.StringIO())) == 0
    shutil.rmtree(tmp_path / "raw")
    (tmp_path / "raw").touch()
    output = io.StringIO()
    assert execute(context(tmp_path), Events(output)) == 3
    assert json.loads(output.getvalue().splitlines()[-1])["id"] in {"DATA-01", "DISK-07"}


def _noise(n_rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(rng.normal(size=(n_rows, 8)), columns=[f"x{i}" for i in range(8)])
    return frame.assign(y=rng.integers(0, 2, n_rows))
