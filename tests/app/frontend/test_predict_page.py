"""The form and its result as a browser without scripts gets them, from real processes."""

import asyncio
import re
from collections.abc import Iterable
from pathlib import Path

import httpx2
import pytest

from app.frontend.form import example_rows, input_texts
from app.frontend.main import create_app
from app.frontend.settings import Settings
from app.web.formats import percent
from bench.bundles import make_bundle, records
from pipeline.core.manifest import Manifest, Scalar
from pipeline.core.params import Task
from tests.app.frontend.conftest import Page, Served, app_running
from tests.app.prediction.conftest import TASKS, running

pytestmark = pytest.mark.process
NASTY = ("<img src=x onerror=alert(1)>", 'a"b', "1 2")


def get_page(served: Served, **values: str) -> Page:
    """Return the page for the query string `values`."""
    response = served.app.get("/", **values)
    assert response.status_code == 200, response.text
    return Page(response.text)


def result_page(served: Served, record: dict[str, Scalar], **more: str) -> Page:
    """Return the page that a browser gets for the form with `record` in it."""
    return get_page(
        served, **{f"x.{name}": text for name, text in input_texts(served.built.manifest, record).items()}, **more
    )


@pytest.mark.parametrize("task", TASKS)
def test_the_form_holds_a_real_row_when_it_is_opened(served: dict[Task, Served], task: Task) -> None:
    page = get_page(served[task])
    expected = input_texts(served[task].built.manifest, example_rows(served[task].built.manifest)[0])
    assert {name: page.form_values()[f"x.{name}"] for name in expected} == expected
    assert not [tag for tag, attributes in page.tags if attributes.get("class") == "big-figure"]


def test_every_control_has_a_label_and_a_description_when_the_form_is_drawn(served: dict[Task, Served]) -> None:
    page = get_page(served["binary"])
    ids = {attributes.get("id") for _, attributes in page.tags}
    visible = [control for control in page.controls.values() if control.attributes.get("type") != "hidden"]
    assert len(visible) == len(served["binary"].built.manifest.features)
    assert {control.attributes["id"] for control in visible} <= page.labels
    for control in visible:
        assert set((control.attributes.get("aria-describedby") or "").split()) <= ids


@pytest.mark.parametrize("task", TASKS)
def test_the_page_says_what_the_api_says_when_a_row_is_sent(served: dict[Task, Served], task: Task) -> None:
    each = served[task]
    for record in records(each.built, 3):
        answer = each.api.predict(record).json()
        page = result_page(each, record)
        assert f"The model predicts {answer['prediction'] if task != 'regression' else ''}" in page.text
        if task != "regression":
            score = answer["probabilities"]["1"] if task == "binary" else max(answer["probabilities"].values())
            assert percent(score) in page.text
        assert "Model 7, trained" in page.text
        assert re.search(r"Request [0-9a-f]{8}-[0-9a-f]+", page.text)
        for heading in ("Why", "What if"):
            assert heading in page.text


def test_threshold_and_side_are_named_when_the_task_is_binary(served: dict[Task, Served]) -> None:
    each = served["binary"]
    sides = set()
    for record in records(each.built, 30):
        answer = each.api.predict(record).json()
        side = "above" if answer["prediction"] == 1 else "below"
        assert f"{side} the threshold of {percent(answer['threshold'])}" in result_page(each, record).text
        sides.add(side)
    assert sides == {"above", "below"}


def test_what_was_missing_is_named_when_fields_are_left_empty(served: dict[Task, Served]) -> None:
    each = served["binary"]
    record: dict[str, Scalar] = {**records(each.built, 1)[0], "age": None, "home city": None}
    text = result_page(each, record).text
    assert re.search(r"left blank and imputed by the model[^.]*: Age .*Home city", text)


def test_each_example_comes_in_turn_when_the_button_is_pressed(served: dict[Task, Served]) -> None:
    rows = example_rows(served["binary"].built.manifest)
    assert len(rows) > 3
    for number, row in enumerate([*rows, rows[0]]):
        sent = get_page(served["binary"], example=str(number)).form_values()
        assert {name: sent[f"x.{name}"] for name in row} == input_texts(served["binary"].built.manifest, row)


@pytest.mark.parametrize("name", ["example", "model"])
def test_the_form_is_drawn_when_a_link_has_a_number_of_any_length(served: dict[Task, Served], name: str) -> None:
    get_page(served["binary"], **{name: "9" * 5_000, "x.age": "40" if name == "model" else ""})


def test_all_fields_are_empty_when_the_form_is_cleared(served: dict[Task, Served]) -> None:
    sent = get_page(served["binary"], clear="1").form_values()
    assert {value for name, value in sent.items() if name.startswith("x.")} == {""}


@pytest.mark.parametrize("task", TASKS)
def test_the_link_gives_the_same_answer_when_it_is_followed(served: dict[Task, Served], task: Task) -> None:
    each = served[task]
    first = result_page(each, records(each.built, 1)[0], curve="home city")
    link = next(
        attributes["href"]
        for tag, attributes in first.tags
        if tag == "a" and "model=7" in (attributes.get("href") or "")
    )
    response = each.app.client.get(link or "")
    second = Page(response.text)
    anonymous = [re.sub(r"Request \S+", "", page.text) for page in (first, second)]
    assert anonymous[0] == anonymous[1]
    assert second.form_values() == first.form_values()


def test_the_value_stays_with_its_reason_when_it_is_wrong(served: dict[Task, Served]) -> None:
    response = served["binary"].app.get("/", **{"x.age": "forty", "x.is_member": "perhaps", "x.home city": "Paris"})
    page = Page(response.text)
    assert response.status_code == 422
    assert (page.form_values()["x.age"], page.form_values()["x.is_member"], page.form_values()["x.home city"]) == (
        "forty",
        "perhaps",
        "Paris",
    )
    assert page.controls["x.age"].attributes["aria-invalid"] == "true"
    assert "Fix 2 values first" in page.text
    assert "The model predicts" not in page.text


def test_a_far_value_is_answered_with_a_warning_when_training_never_saw_it(served: dict[Task, Served]) -> None:
    page = result_page(
        served["binary"], {**records(served["binary"].built, 1)[0], "age": 5000, "home city": "Atlantis"}
    )
    assert "Above everything in the training data" in page.text
    assert "Not in the training data" in page.text
    assert "The model predicts" in page.text
    assert page.form_values()["x.home city"] == "Atlantis"


@pytest.mark.parametrize("feature", ["age", "is_member", "home city"])
@pytest.mark.parametrize("task", TASKS)
def test_the_curve_is_drawn_for_each_kind_when_it_is_chosen(
    served: dict[Task, Served], task: Task, feature: str
) -> None:
    each = served[task]
    record = next(row for row in records(each.built, 30) if None not in row.values())
    page = result_page(each, record, curve=feature)
    assert page.controls["curve"].value == feature
    answer = each.api.client.post("/curve", json={"record": record, "feature": feature}).json()
    points = [attributes for tag, attributes in page.tags if "data-x" in attributes]
    if feature == "age":
        assert [float(attributes["data-y"] or "") for attributes in points] == [
            point["score"] for point in answer["points"]
        ]
        assert any(attributes.get("class") == "dot" for tag, attributes in page.tags if tag == "circle")
    else:
        assert page.text.count(" current ") == 1


def test_drawings_are_named_for_those_who_do_not_see_them_when_they_say_something(served: dict[Task, Served]) -> None:
    for task in TASKS:
        page = result_page(served[task], records(served[task].built, 1)[0], curve="age")
        for tag, attributes in page.tags:
            if tag == "svg" and attributes.get("role") == "img":
                names = (attributes.get("aria-labelledby") or "").split()
                assert len(names) == 2
                assert set(names) <= {attributes.get("id") for _, attributes in page.tags}
        assert any(attributes.get("role") == "img" for tag, attributes in page.tags if tag == "svg")


def test_nothing_is_predicted_when_the_link_names_other_fields(served: dict[Task, Served]) -> None:
    text = get_page(served["binary"], **{"x.age": "40", "x.height": "180", "model": "6"}).text
    assert "The model has changed" in text
    assert "height" in text
    assert "The model predicts" not in text


def test_the_answer_says_so_when_the_model_was_replaced_and_the_fields_fit(tmp_path: Path) -> None:
    old = make_bundle(tmp_path / "models", version=1)
    with running(tmp_path / "models") as api, app_running(f"http://127.0.0.1:{api.port}", tmp_path / "log") as app:
        api.wait_for(1)
        form = Page(app.get().text).form_values()
        make_bundle(tmp_path / "models", version=2, seed=5)
        api.wait_for(2)
        same = Page(app.get("/", **form).text).text
        assert "This form or link was made for model 1. Model 2 is live now and made this prediction." in same
        make_bundle(tmp_path / "models", version=3, categorical=False)
        api.wait_for(3)
        other = Page(app.get("/", **form).text)
        assert "Model 3 is live now" in other.text
        assert "The model predicts" not in other.text
        assert other.form_values()["x.age"] == form["x.age"]
    assert old.manifest.version == 1


class _Replaced(httpx2.AsyncBaseTransport):
    """An API whose model is replaced as soon as its manifest was read once; it explains nothing."""

    def __init__(self, manifests: Iterable[Manifest]) -> None:
        self._manifests = iter(manifests)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        if request.url.path == "/model":
            return httpx2.Response(200, content=next(self._manifests).model_dump_json())
        if request.url.path == "/predict":
            return httpx2.Response(200, json={"prediction": 3.5, "model_version": 2, "request_id": "1", "imputed": []})
        return httpx2.Response(404)


def test_the_new_model_answers_when_one_of_another_task_goes_live_meanwhile(tmp_path: Path) -> None:
    tasks: tuple[Task, ...] = ("binary", "regression")
    manifests = [make_bundle(tmp_path / task, task=task, version=i).manifest for i, task in enumerate(tasks, 1)]

    async def send() -> httpx2.Response:
        transport = httpx2.ASGITransport(create_app(Settings(), _Replaced(manifests)))
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:8501") as client:
            return await client.get("/", params={"x.age": "40"})

    response = asyncio.run(send())
    assert response.status_code == 200
    assert "The model predicts 3.5" in response.text


def test_names_are_text_and_nothing_else_when_they_are_made_of_markup(tmp_path: Path) -> None:
    classes = ("<b>no</b>", "\"yes' &amp;")
    built = make_bundle(tmp_path / "models", names=NASTY, classes=classes, class_type="string")
    with running(tmp_path / "models") as api, app_running(f"http://127.0.0.1:{api.port}", tmp_path / "log") as app:
        api.wait_for(1)
        record = records(built, 1)[0]
        form = Page(app.get().text).form_values()
        assert {f"x.{name}" for name in NASTY} <= set(form)
        sent = {
            **form,
            **{f"x.{name}": text for name, text in input_texts(built.manifest, record).items()},
            "curve": NASTY[0],
        }
        page = Page(app.get("/", **sent).text)
        answer = api.predict(record).json()
        assert f"The model predicts {answer['prediction']}" in page.text
        assert {tag for tag, _ in page.tags} & {"img", "b"} == set()
        assert NASTY[0] in page.text
        table = Page(app.get("/table", sample="1").text)
        assert {tag for tag, _ in table.tags} & {"img", "b"} == set()


def test_a_very_wide_form_is_sent_as_a_body_when_a_link_would_be_too_long(tmp_path: Path) -> None:
    names = tuple(f"measurement number {i}, in the unit of the device" for i in range(120))
    built = make_bundle(tmp_path / "models", n_numeric=120, names=names)
    with running(tmp_path / "models") as api, app_running(f"http://127.0.0.1:{api.port}", tmp_path / "log") as app:
        api.wait_for(1)
        page = Page(app.get().text)
        assert [attributes.get("method") for tag, attributes in page.tags if tag == "form"] == ["post"]
        response = app.client.post("/", data=page.form_values(), headers={"Origin": app.url})
        assert "The model predicts" in Page(response.text).text
    assert len(built.manifest.features) == 122
