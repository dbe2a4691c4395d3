"""The form of a run: drawn from the parameters, read back without loss, each refusal at its field."""

from collections.abc import Mapping
from typing import Any

import pytest

from app.panel.runs.web.form import build, chosen_fields, parse
from pipeline.core.params import Params


def _texts(params: Mapping[str, Any]) -> dict[str, str]:
    """Return what a browser sends for a form that nobody changed: an empty checkbox is not sent."""
    fields = [field for group in build(params) for field in group.fields]
    return {field.name: field.text for field in fields if field.kind != "check" or field.text}


@pytest.mark.parametrize(
    "params",
    [
        Params(),
        Params(target="y", ignore=("a", "b c"), missing_indicator=False, seed=7, task="regression"),
        Params(estimator="random_forest", derived_features=("A = B + C", "D = 1"), tuning_budget_s=2.5),
        Params.model_validate({"random_forest": {"max_depth": 3}, "linear": {"c": 0.1}}),
    ],
)
def test_parameters_come_back_when_the_form_is_sent_unchanged(params: Params) -> None:
    sent, errors = parse(_texts(params.model_dump(mode="json")))
    assert errors == {}
    assert Params.model_validate(sent) == params


def test_every_parameter_has_a_field_when_the_form_is_drawn() -> None:
    names = {field.name for group in build({}) for field in group.fields}
    schema = Params.model_json_schema()
    expected = set()
    for name, spec in schema["properties"].items():
        parts = schema["$defs"][spec["$ref"].rsplit("/", 1)[-1]]["properties"] if "$ref" in spec else {}
        expected |= {f"{name}.{key}" for key in parts} or {name}
    assert names == expected


def test_refusal_stands_at_its_field_when_values_cannot_be() -> None:
    texts = _texts(Params().model_dump(mode="json"))
    texts |= {"seed": "x", "random_forest.max_depth": "0", "test_share": "", "estimator": "magic"}
    params, errors = parse(texts)
    assert params == {}
    assert set(errors) == {"seed", "random_forest.max_depth", "test_share", "estimator"}
    fields = {field.name: field for group in build({}, texts, errors) for field in group.fields}
    assert (fields["seed"].text, fields["seed"].error != "") == ("x", True)
    assert fields["task"].error == ""


def test_only_the_chosen_estimator_s_settings_are_listed_when_a_run_is_shown() -> None:
    params = Params(estimator="linear", missing_indicator=True).model_dump(mode="json")
    shown = {field.name: (field.title, field.value) for field in chosen_fields(params)}
    assert shown["linear.c"] == ("C", "1.0")
    assert shown["missing_indicator"] == ("Missing indicator", "Yes")
    assert shown["estimator"] == ("Estimator", "Linear model")
    assert shown["gate_rule"] == ("Rule", "Not worse")
    assert not any(name.startswith("random_forest.") for name in shown)
