"""The form of the Data page becomes parameters of a run."""

from app.panel.datasets.options import changed_params, join_words
from pipeline.core.params import Params


def test_decisions_become_parameters_when_the_form_is_sent() -> None:
    texts = {"target": "result", "name.0": "land", "kind.0": "categorical", "kept.0": "NA, -", "missing.0": "tbd"}
    texts["missing.0"] = 'tbd, "not said, or refused", ""'
    texts |= {"name.1": "id", "kind.1": "auto", "ignore.1": "on", "name.2": "a.b", "decimal.2": ","}
    params = Params.model_validate(changed_params(Params().model_dump(mode="json"), texts))
    assert params.target == "result"
    assert params.ignore == ("id",)
    assert params.columns["land"].kept == ("NA", "-")
    assert params.columns["land"].missing == ("tbd", "not said, or refused")
    assert join_words(params.columns["land"].missing) == 'tbd, "not said, or refused"'
    assert join_words(params.columns["land"].kept) == "NA, -"
    assert params.columns["a.b"].decimal == ","
    assert set(params.columns) == {"land", "a.b"}


def test_what_the_form_does_not_show_stays_and_what_it_takes_back_goes() -> None:
    before = Params.model_validate(
        {"ignore": ["other", "id"], "columns": {"other": {"kind": "date"}, "land": {"kind": "categorical"}}, "seed": 7}
    ).model_dump(mode="json")
    params = Params.model_validate(changed_params(before, {"name.0": "land", "name.1": "id", "target": ""}))
    assert params.ignore == ("other",)
    assert set(params.columns) == {"other"}
    assert (params.target, params.seed) == (None, 7)
