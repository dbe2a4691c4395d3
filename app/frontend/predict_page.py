"""The form and the result beside it. One URL holds a whole prediction, so it can be linked, reloaded and gone back to."""

import asyncio
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, urlencode

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.frontend.client import PredictionApi
from app.frontend.form import PREFIX, Form, Inputs, build_form, example_rows, input_texts, read_inputs
from app.frontend.labels import class_label
from app.frontend.model_summary import summarize_model
from app.frontend.problems import InputRejectedError
from app.frontend.reasons_view import build_reasons
from app.frontend.result_view import build_result
from app.frontend.views import FieldsChanged, PredictPage, Reasons, Result, WhatIf
from app.frontend.what_if_view import build_what_if
from app.web.app_objects import provided_object
from app.web.templating import render_response
from pipeline.core.manifest import Feature, Manifest, Scalar
from pipeline.core.prediction_api import Curve
from pipeline.core.problems import ProblemError

# Servers and proxies take addresses of 8 KB and more; a form that would not fit is sent as a body.
MAX_LINK_CHARS: Final = 6000


async def predict(request: Request) -> Response:
    """Return the form with an example row; with `x.<feature>` values: the prediction. POST is for very wide tables."""
    api = provided_object(request.app, PredictionApi)
    env = provided_object(request.app, Environment)
    pairs = [*request.query_params.multi_items()]
    if request.method == "POST":
        async with request.form(max_fields=20_000) as form:
            pairs += [(key, value) for key, value in form.multi_items() if isinstance(value, str)]
    manifest = await api.manifest()
    page = await _build_page(api, manifest, pairs)
    if page is None:  # the model was replaced between two requests: ask the new one
        manifest = await api.manifest()
        page = await _build_page(api, manifest, pairs, is_last=True)
    assert page is not None
    return render_response(env, request, page, status=422 if page.n_errors else 200)


async def _build_page(
    api: PredictionApi, manifest: Manifest, pairs: Sequence[tuple[str, str]], *, is_last: bool = False
) -> PredictPage | None:
    """Return the page, or None if another model answered than the one of `manifest`, unless `is_last`."""
    options = dict(pairs)
    inputs = read_inputs(manifest, pairs)
    rows = example_rows(manifest)
    index = (_whole_number(options.get("example", "")) or 0) % len(rows)
    if not inputs.texts and not inputs.unknown:
        texts = {} if "clear" in options else input_texts(manifest, rows[index])
        return _page(manifest, build_form(manifest, texts, is_checked=False), index)
    form = build_form(manifest, inputs.texts)
    changed = _fields_changed(manifest, inputs, _whole_number(options.get("model", "")))
    if changed or form.record is None:
        return _page(manifest, form, index, changed=changed)
    try:
        result = await _predict(api, manifest, form, form.record, options, is_last=is_last)
    except InputRejectedError as problem:
        return _page(manifest, form, index, problem=problem)
    return None if result is None else _page(manifest, form, index, result=result)


def _page(
    manifest: Manifest,
    form: Form,
    example_index: int,
    *,
    result: Result | None = None,
    changed: FieldsChanged | None = None,
    problem: ProblemError | None = None,
) -> PredictPage:
    n_examples = len(example_rows(manifest))
    n_chars = sum(len(quote(field.name)) + 24 for field in form.fields)
    # A text may be as long as a whole address, and must not end in one.
    may_be_link = n_chars < MAX_LINK_CHARS and not any(field.widget == "textarea" for field in form.fields)
    return PredictPage(
        model=summarize_model(manifest),
        fields=form.fields,
        n_errors=form.n_errors,
        method="get" if may_be_link else "post",
        example_index=example_index,
        example_url=f"/?example={(example_index + 1) % n_examples}",
        n_examples=n_examples,
        result=result,
        changed=changed,
        problem=problem,
    )


def _fields_changed(manifest: Manifest, inputs: Inputs, form_version: int | None) -> FieldsChanged | None:
    """Return the difference between the model's fields and those submitted, or None if they may be predicted.

    A form that was rendered for this model has all of its fields; a hand-written link may leave some out.
    """
    is_other_model = form_version not in {None, manifest.version}
    if inputs.unknown or (is_other_model and inputs.absent):
        return FieldsChanged(manifest.version, inputs.unknown, inputs.absent)
    return None


async def _predict(
    api: PredictionApi,
    manifest: Manifest,
    form: Form,
    record: dict[str, Scalar],
    options: dict[str, str],
    *,
    is_last: bool,
) -> Result | None:
    """Return the prediction as the page shows it, or None if another model made a part of it, unless `is_last`."""
    feature = _curve_feature(manifest, options.get("curve", ""))
    prediction, explanation, curve = await asyncio.gather(
        api.predict(record), api.explain(record), _curve(api, record, feature), return_exceptions=True
    )
    if isinstance(prediction, BaseException):
        raise prediction
    answers = [each for each in (prediction, explanation, curve) if each and not isinstance(each, BaseException)]
    if any(each.model_version != manifest.version for each in answers) and not is_last:
        return None  # before anything is built: the other model may have other classes, or none
    version = prediction.model_version
    notes: list[str] = []
    form_version = _whole_number(options.get("model", ""))
    if form_version not in {None, version}:
        notes.append(
            f"This form or link was made for model {form_version}. Model {version} is live now and made this prediction."
        )
    reasons: Reasons | None = None
    if isinstance(explanation, BaseException):
        notes.append(_unavailable("explanation", explanation))
    else:
        label = class_label(prediction.prediction, manifest.classes)
        reasons = build_reasons(manifest, record, explanation, label)
    what_if: WhatIf | None = None
    if isinstance(curve, BaseException):
        notes.append(_unavailable("curve", curve))
    elif feature and curve:
        what_if = build_what_if(manifest, form, feature, curve=curve, prediction=prediction)
    link = _link(form, version, feature.name if feature and options.get("curve") else "")
    return build_result(manifest, prediction, link=link, reasons=reasons, what_if=what_if, notes=tuple(notes))


def _whole_number(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]{1,15}", text) else None


def _unavailable(part: str, error: BaseException) -> str:
    """Return the note for a part that failed; raises `error` again if it is none of the expected failures."""
    if not isinstance(error, ProblemError):
        raise error
    return f"The {part} is not available: {error.what}"


async def _curve(api: PredictionApi, record: dict[str, Scalar], feature: Feature | None) -> Curve | None:
    return None if feature is None else await api.curve(record, feature.name)


def _curve_feature(manifest: Manifest, name: str) -> Feature | None:
    """Return the feature `name`, or the most important one if it has no curve; None if all features are texts."""
    features = {feature.name: feature for feature in manifest.features if feature.kind != "text"}
    most_important = max(features.values(), key=lambda each: manifest.importances.get(each.name, 0.0), default=None)
    return features.get(name, most_important)


def _link(form: Form, version: int, curve: str) -> str:
    """Return the address of this prediction; "" if it would be too long to pass on."""
    pairs = [(PREFIX + field.feature, field.text) for field in form.fields]
    pairs += [("curve", curve)] if curve else []
    link = f"/?{urlencode([*pairs, ('model', str(version))])}"
    return link if len(link) <= MAX_LINK_CHARS else ""


ROUTES: Final = (Route("/", predict, methods=["GET", "POST"]),)
