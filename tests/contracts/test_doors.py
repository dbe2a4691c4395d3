"""A row is answered alike through every protocol, the app and MLflow, and as training reads it, however it is written."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.frontend import csv_tables
from app.frontend.form import build_form
from pipeline.core.bundle import bundle_dir, publish, read_manifest
from pipeline.core.manifest import Manifest
from pipeline.core.params import ColumnOptions, Params
from pipeline.core.pointer import write_pointer
from pipeline.ingest import tables
from pipeline.ingest.columns import DateColumn, NumberColumn, TextColumn
from pipeline.ingest.dialect import unlimited_fields
from pipeline.onnx.session import Graph, RawRows
from pipeline.tracking.mlflow_model import PipelineModel
from tests.app.frontend.conftest import Page, app_running
from tests.app.prediction.conftest import Api, running
from tests.pipeline.cycle import run_stages

pytestmark = pytest.mark.process

HEADER = ("preis", "gewicht", "quote", "farbe", "land", "aktiv", "netto", "tag", "notiz")
MODEL = "/v2/models/automated-ml-pipeline/infer"
N_TRAIN = 400
Row = Mapping[str, str]


@dataclass(frozen=True)
class Trained:
    """A model that was trained on an odd table, the API that serves it, and what MLflow would load."""

    api: Api
    manifest: Manifest
    graph: Graph
    table: Path
    mlflow: PipelineModel


def training_rows() -> list[dict[str, str]]:
    """Return rows with decimal commas, units, percentages, spellings, kept words and accounting parentheses."""
    rng = np.random.default_rng(3)
    rows = []
    for i in range(N_TRAIN):
        price, weight, rate = rng.random() * 2000, rng.integers(1, 90), rng.random()
        colour, land = ["rot", "Rot", "rot", "blau", "grün"][i % 5], ["DE", "NA", "ZA", ""][(i // 4) % 4]
        net = rng.normal() * 2000
        positive = price / 1000 + weight / 60 + (colour.lower() == "rot") + (land == "NA") + net / 3000 > 2
        amount = f"{abs(net):,.2f}".translate(str.maketrans(",.", ".,"))
        rows.append(
            {
                "preis": f"{price:,.2f} €".translate(str.maketrans(",.", ".,")) if i % 9 else "k.A.",
                "gewicht": f"{weight} kg",
                "quote": f"{100 * rate:.1f} %".replace(".", ","),
                "farbe": colour,
                "land": land,
                "aktiv": ["True", "false", "TRUE"][i % 3],
                "netto": f"({amount})" if net < 0 else amount,
                "tag": f"{1 + i % 28:02}.{1 + i % 12:02}.2023" if i % 11 else "",
                "notiz": f"{'Sehr gut' if positive else 'Leider schlecht'}, {price:.0f} Stück!" if i % 7 else "",
                "ziel": "ja" if positive else "nein",
            }
        )
    return rows


def as_csv(rows: Sequence[Row], header: tuple[str, ...], delimiter: str = ";") -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([[row[name] for name in header] for row in rows])
    return out.getvalue()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    folder = tmp_path_factory.mktemp("doors")
    table = folder / "data" / "raw" / "t.csv"
    table.parent.mkdir(parents=True)
    table.write_text(as_csv(training_rows(), (*HEADER, "ziel")), "utf-8")
    params = Params(target="ziel", estimator="linear", columns={"land": ColumnOptions(kept=("NA",))})
    cycle = run_stages(folder, None, params)
    assert cycle.code == 0, cycle.events[-1]
    pointer = publish(folder / "models", cycle.run_dir / "bundle", "r1")
    write_pointer(folder / "models", pointer)
    bundle = bundle_dir(folder / "models", pointer)
    loaded = PipelineModel()
    paths = {
        "model": bundle / "model.onnx",
        "manifest": bundle / "manifest.json",
        "cells": cycle.run_dir / "record" / "cells.py",
    }
    loaded.load_context(SimpleNamespace(artifacts={name: str(path) for name, path in paths.items()}))
    with running(folder / "models") as api:
        api.wait_for(1)
        yield Trained(api, read_manifest(bundle), Graph((bundle / "model.onnx").read_bytes()), table, loaded)


def training_side(trained: Trained, rows: Sequence[Row]) -> list[float]:
    """Return the probabilities of rows that stand below the training table in its own file."""
    path = trained.table.parent.parent / "more.csv"
    lines = as_csv([{**row, "ziel": "ja"} for row in rows], (*HEADER, "ziel")).partition("\n")[2]
    path.write_text(trained.table.read_text("utf-8") + lines, "utf-8")
    columns = tables.read([path], options={"land": ColumnOptions(kept=("NA",))}).columns
    n = len(rows)
    numeric = np.empty((n, len(trained.manifest.numeric)), dtype=np.float32)
    for i, feature in enumerate(trained.manifest.numeric):
        column = columns[feature.name]
        assert isinstance(column, NumberColumn)
        numeric[:, i] = column.values[-n:]
    texts = np.empty((n, len(trained.manifest.categorical)), dtype=object)
    for i, feature in enumerate(trained.manifest.categorical):
        words = columns[feature.name]
        assert isinstance(words, TextColumn | DateColumn)
        texts[:, i] = words.texts(slice(-n, None))
    return [float(p) for p in trained.graph.run(RawRows(numeric, texts))[:, 1]]


def by_csv(trained: Trained, path: str, text: str) -> list[float]:
    response = trained.api.client.post(path, content=text.encode(), headers={"Content-Type": "text/csv"})
    assert response.status_code == 200, response.text
    if path == "/invocations":
        return [float(row["probability"]) for row in response.json()["predictions"]]
    with unlimited_fields():
        answered = list(csv.DictReader(io.StringIO(response.text)))
    assert [row["error"] for row in answered] == [""] * len(answered)
    return [float(row["probability"]) for row in answered]


def by_json(trained: Trained, path: str, body: object) -> Any:
    response = trained.api.client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def by_tensors(trained: Trained, rows: list[Row]) -> list[float]:
    """Return the answers over the Open Inference Protocol: texts as BYTES, numbers as the form reads them."""
    records = [build_form(trained.manifest, row).record or {} for row in rows]
    tensors: list[dict[str, Any]] = []
    for feature in trained.manifest.features:
        if feature.is_text:
            tensors.append(
                {
                    "name": feature.name,
                    "datatype": "BYTES",
                    "shape": [len(rows)],
                    "data": [row[feature.name] for row in rows],
                }
            )
        else:
            numbers = [record[feature.name] for record in records]
            numbers = [None if number is None else float(number) for number in numbers]
            tensors.append({"name": feature.name, "datatype": "FP64", "shape": [len(rows)], "data": numbers})
    outputs = by_json(trained, MODEL, {"inputs": tensors})["outputs"]
    return [float(p) for p in next(output for output in outputs if output["name"] == "probability")["data"]]


def through_the_app(trained: Trained, rows: Sequence[Row], delimiter: str) -> list[float]:
    source = io.BytesIO(as_csv(rows, HEADER, delimiter).encode())
    header, found = csv_tables.read_head(source)
    assert [name.strip() for name in header] == [*HEADER]
    blocks = csv_tables.read_blocks(source, found)
    return [p for block in blocks for p in by_csv(trained, "/predict/csv", block.decode())]


def all_doors(trained: Trained, rows: list[Row]) -> dict[str, list[float]]:
    texts = [dict(row) for row in rows]
    frame = {"dataframe_split": {"columns": [*HEADER], "data": [[row[name] for name in HEADER] for row in rows]}}
    import pandas as pd

    loaded = trained.mlflow.predict(None, pd.DataFrame(texts))
    forms = [build_form(trained.manifest, row) for row in rows]
    return {
        "/predict, one": [by_json(trained, "/predict", row)["probability"] for row in texts],
        "/predict, many": [answer["probability"] for answer in by_json(trained, "/predict", texts)],
        "/predict/csv": by_csv(trained, "/predict/csv", as_csv(rows, HEADER)),
        "/predict/csv with commas": by_csv(trained, "/predict/csv", as_csv(rows, HEADER, ",")),
        "/invocations, CSV": by_csv(trained, "/invocations", as_csv(rows, HEADER)),
        "/invocations, JSON": [row["probability"] for row in by_json(trained, "/invocations", frame)["predictions"]],
        "Open Inference": by_tensors(trained, rows),
        "/explain": [by_json(trained, "/explain", row)["score"] for row in texts],
        "the app's form": [by_json(trained, "/predict", form.record)["probability"] for form in forms],
        "the app's table": through_the_app(trained, rows, ";"),
        "MLflow": [float(p) for p in loaded["probability_nein"]],
    }


def spaced(cells: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda a, cell, b: a + cell + b, st.sampled_from(["", " ", "\u00a0"]), cells, st.sampled_from(["", "  "])
    )


MISSING = st.sampled_from(["", "k.A.", "n/a", "null", "-", "NaN", "\\N", "Unknown"])
AMOUNTS = st.builds(
    lambda number, mark, form: form.format(f"{number:,.2f}".replace(",", "\0").replace(".", ",").replace("\0", mark)),
    st.decimals(0, 99999, places=2),
    st.sampled_from([".", "", " ", "\u00a0", "'"]),
    st.sampled_from(["{}", "{} €", "€ {}", "-{}", "({})", "−{}", "{}-"]),
)
ROWS = st.fixed_dictionaries(
    {
        "preis": spaced(AMOUNTS | MISSING),
        "gewicht": spaced(st.builds(lambda n, unit: f"{n}{unit}", st.integers(0, 200), st.sampled_from(["", " kg", "kg", " KG"]))),
        "quote": spaced(st.builds(lambda n: f"{n} %".replace(".", ","), st.decimals(0, 100, places=1))),
        "farbe": spaced(st.sampled_from(["rot", "ROT", "Rot", "blau", "grün", "GRÜN", "lila", "", "?"])),
        "land": spaced(st.sampled_from(["DE", "NA", "ZA", "", "de", "XX", "N/A"])),
        "aktiv": spaced(st.sampled_from(["True", "FALSE", "true", "false", "", "null", "NA"])),
        "tag": spaced(st.builds("{:02}.{:02}.{}".format, st.integers(1, 28), st.integers(1, 12), st.integers(1990, 2030)) | st.sampled_from(["", "n/a", "2024-02-29", "3 März 2024".replace("ä", "a"), "1.2.2022 14:05"])),
        "netto": spaced(AMOUNTS.filter(lambda cell: "€" not in cell)),
        "notiz": spaced(st.lists(st.sampled_from(["SEHR", "gut,", "leider", "ｓｃｈｌｅｃｈｔ!", "Stu\u0308ck", "neu", "N.A.", "-"]), max_size=6).map(" ".join) | st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=30)),
    }
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROWS, min_size=1, max_size=5))
def test_all_doors_answer_alike_and_as_training_reads_when_cells_are_odd(trained: Trained, rows: list[Row]) -> None:
    expected = training_side(trained, rows)
    for door, answers in all_doors(trained, rows).items():
        assert answers == pytest.approx(expected, abs=1e-6), (door, str(rows))


def test_the_file_that_trained_the_model_is_answered_alike_when_it_is_sent_as_it_is(trained: Trained) -> None:
    rows = training_rows()
    answers = by_csv(trained, "/predict/csv", trained.table.read_text("utf-8"))
    assert answers == pytest.approx(training_side(trained, rows), abs=1e-6)
    assert through_the_app(trained, rows, ";") == pytest.approx(answers, abs=1e-6)
    actual = [answer >= 0.5 for answer in answers]
    assert np.mean([a == (row["ziel"] == "nein") for a, row in zip(actual, rows, strict=True)]) > 0.9


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_columns_are_found_when_names_differ_in_blanks_and_case(trained: Trained, delimiter: str) -> None:
    rows = training_rows()[:3]
    expected = by_csv(trained, "/predict/csv", as_csv(rows, HEADER))
    odd = as_csv(rows, HEADER, delimiter).replace("preis", " Preis ", 1).replace("gewicht", "GEWICHT", 1)
    response = trained.api.client.post("/predict/csv", content=odd.encode(), headers={"Content-Type": "text/csv"})
    answered = list(csv.DictReader(io.StringIO(response.text)))
    assert [float(row["probability"]) for row in answered] == expected
    assert "GEWICHT = gewicht" in answered[0]["remark"]
    record = {name.upper() + " ": rows[0][name] for name in HEADER}
    answer = by_json(trained, "/predict", record)
    assert answer["probability"] == expected[0]
    assert answer["matched"] == {name.upper() + " ": name for name in HEADER}


def test_what_was_not_understood_is_said_when_a_row_has_it(trained: Trained) -> None:
    row = {**training_rows()[1], "farbe": "lila", "preis": "k.A."}
    del row["ziel"], row["gewicht"]
    answer = by_json(trained, "/predict", row)
    assert answer["unseen"] == ["farbe"]
    assert set(answer["imputed"]) == {"preis", "gewicht"}
    batch = by_json(trained, "/invocations", {"dataframe_records": [row]})
    assert (batch["unseen"], set(batch["imputed"])) == (["farbe"], {"preis", "gewicht"})
    table = as_csv([row], tuple(row))
    answered = trained.api.client.post(
        "/predict/csv", content=table.encode(), headers={"Content-Type": "text/csv"}
    ).text
    (line,) = csv.DictReader(io.StringIO(answered))
    assert line["remark"] == "features that no column has: gewicht; imputed: preis; not seen in training: farbe"
    refused = trained.api.client.post("/predict", json={**row, "preis": "teuer"})
    assert refused.status_code == 422
    assert json.loads(refused.text)["errors"][0]["field"] == "preis"


def test_texts_have_no_curve_and_no_counts_when_the_model_has_some(trained: Trained) -> None:
    row = {name: training_rows()[1][name] for name in HEADER}
    refused = trained.api.client.post("/curve", json={"record": row, "feature": "notiz"})
    assert (refused.status_code, refused.json()["why"]) == (
        422,
        "The feature 'notiz' is text: there is no curve of its values.",
    )
    counted = trained.api.client.get("/stats").json()["features"]
    assert set(HEADER) - set(counted) == {"tag", "notiz"}
    schema = trained.api.client.get("/openapi.json").json()["components"]["schemas"]["Record"]["properties"]["notiz"]
    assert (schema["type"], "maxLength" in schema) == (["string", "null"], False)
    long = by_json(trained, "/predict", {**row, "notiz": "sehr gut " * 5_000})
    assert long["unseen"] == []
    assert by_json(trained, "/predict", {**row, "notiz": "qwertz"})["unseen"] == ["notiz"]


def test_the_apps_form_takes_a_text_when_it_is_longer_than_an_address_may_be(trained: Trained, tmp_path: Path) -> None:
    with app_running(f"http://127.0.0.1:{trained.api.port}", tmp_path / "log") as app:
        page = Page(app.get().text)
        assert [attributes.get("method") for tag, attributes in page.tags if tag == "form"] == ["post"]
        values = {**page.form_values(), "x.notiz": "Leider schlecht. " * 5_000}
        response = app.client.post("/", data=values, headers={"Origin": app.url})
        assert "The model predicts" in Page(response.text).text


def test_a_text_is_answered_alike_when_it_is_as_long_as_a_line_of_csv_may_be(trained: Trained) -> None:
    row = {**{name: training_rows()[1][name] for name in HEADER}, "notiz": "leider " * 30_000}
    expected = by_json(trained, "/predict", row)["probability"]
    table = as_csv([row, row], HEADER)
    assert by_csv(trained, "/predict/csv", table) == by_csv(trained, "/invocations", table) == [expected] * 2


def test_a_table_is_refused_when_it_has_too_few_of_the_features(trained: Trained) -> None:
    with running(trained.api.models_dir, API_REQUIRED_FEATURE_SHARE="0.8") as api:
        api.wait_for(1)
        csv_type = {"Content-Type": "text/csv"}
        for path in ("/predict/csv", "/invocations"):
            response = api.client.post(path, content=b"preis;farbe\n1,5;rot\n", headers=csv_type)
            assert response.status_code == 400
            assert "2 of the 9 features" in response.json()["why"]
        split = {"dataframe_split": {"columns": ["preis"], "data": [["1,5"]]}}
        assert api.client.post("/invocations", json=split).status_code == 400
        whole = as_csv(training_rows()[:1], HEADER)
        assert api.client.post("/predict/csv", content=whole.encode(), headers=csv_type).status_code == 200
