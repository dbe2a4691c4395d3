"""The form and the result beside it. One URL holds a whole prediction, so it can be linked, reloaded and gone back to."""

import asyncio
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from app.frontend import about, results
from app.frontend.client import PredictionApi
from app.frontend.form import PREFIX, Answers, Form, answers, examples, filled, texts_of
from app.frontend.labels import class_label
from app.frontend.problems import InputRejectedError
from app.frontend.site import Site
from app.frontend.views import Changed, PredictPage, Reasons, Result, WhatIf
from app.web.templating import respond
from pipeline.core.bundle import Feature, Manifest, Scalar
from pipeline.core.problems import ProblemError

# Servers and proxies take addresses of 8 KB and more; a form that would not fit is sent as a body.
LONGEST_LINK: Final = 6000


async def predict(request: Request) -> Response:
    """`GET /`: the form with an example row; with `x.<feature>` values: the prediction. POST for very wide tables."""
    site = Site.of(request)
    sent = [*request.query_params.multi_items()]
    if request.method == "POST":
        async with request.form(max_fields=20_000) as form:
            sent += [(key, value) for key, value in form.multi_items() if isinstance(value, str)]
    manifest = await site.api.manifest()
    page = await _page(site.api, manifest, sent)
    if page is None:  # the model was replaced between two questions: ask the new one
        manifest = await site.api.manifest()
        page = await _page(site.api, manifest, sent, is_last=True)
    assert page is not None
    return respond(site.env, request, page, status=422 if page.n_errors else 200)


async def _page(
    api: PredictionApi, manifest: Manifest, sent: Sequence[tuple[str, str]], *, is_last: bool = False
) -> PredictPage | None:
    own = dict(sent)
    given = answers(manifest, sent)
    rows = examples(manifest)
    number = int(own["example"]) % len(rows) if own.get("example", "").isdecimal() else 0
    if not given.texts and not given.unknown:
        texts = {} if "clear" in own else texts_of(rows[number])
        return _drawn(manifest, filled(manifest, texts, is_checked=False), number)
    form = filled(manifest, given.texts)
    changed = _changed(manifest, given, own.get("model", ""))
    if changed or form.record is None:
        return _drawn(manifest, form, number, changed=changed)
    try:
        result = await _ask(api, manifest, form, form.record, own)
    except InputRejectedError as problem:
        return _drawn(manifest, form, number, problem=problem)
    if result.version != manifest.version and not is_last:
        return None
    return _drawn(manifest, form, number, result=result)


def _drawn(
    manifest: Manifest,
    form: Form,
    number: int,
    *,
    result: Result | None = None,
    changed: Changed | None = None,
    problem: ProblemError | None = None,
) -> PredictPage:
    n_examples = len(examples(manifest))
    return PredictPage(
        model=about.describe(manifest),
        fields=form.fields,
        n_errors=form.n_errors,
        method="get" if sum(len(quote(field.name)) + 24 for field in form.fields) < LONGEST_LINK else "post",
        number=number,
        example_url=f"/?example={(number + 1) % n_examples}",
        n_examples=n_examples,
        result=result,
        changed=changed,
        problem=problem,
    )


def _changed(manifest: Manifest, given: Answers, drawn_for: str) -> Changed | None:
    """A form that was drawn for this model has all of its fields; a link written by hand may leave some out."""
    is_other = drawn_for.isdecimal() and int(drawn_for) != manifest.version
    if given.unknown or (is_other and given.absent):
        return Changed(manifest.version, given.unknown, given.absent)
    return None


async def _ask(
    api: PredictionApi, manifest: Manifest, form: Form, record: dict[str, Scalar], own: dict[str, str]
) -> Result:
    chosen = _chosen(manifest, own.get("curve", ""))
    prediction, explanation, curve = await asyncio.gather(
        api.predict(record), api.explain(record), api.curve(record, chosen.name), return_exceptions=True
    )
    if isinstance(prediction, BaseException):
        raise prediction
    label = class_label(prediction.prediction, manifest.classes)
    notes: list[str] = []
    drawn_for = own.get("model", "")
    if drawn_for.isdecimal() and int(drawn_for) != prediction.model_version:
        notes.append(
            f"This was meant for model {drawn_for}. Model {prediction.model_version} is live now and gave this answer."
        )
    reasons: Reasons | None = None
    if isinstance(explanation, BaseException):
        notes.append(_absent("reasons", explanation))
    else:
        reasons = results.reasons(manifest, record, explanation, label)
    what_if: WhatIf | None = None
    if isinstance(curve, BaseException):
        notes.append(_absent("curve", curve))
    else:
        what_if = results.what_if(manifest, form, chosen, curve=curve, prediction=prediction, label=label)
    link = _link(form, prediction.model_version, chosen.name if own.get("curve") else "")
    return results.result(manifest, prediction, link=link, reasons=reasons, what_if=what_if, notes=tuple(notes))


def _absent(what: str, error: BaseException) -> str:
    """The prediction stands without its extras; anything but an expected failure is a mistake of ours."""
    if not isinstance(error, ProblemError):
        raise error
    return f"The {what} could not be had this time: {error.what}"


def _chosen(manifest: Manifest, name: str) -> Feature:
    """The feature whose curve is drawn: the one that was asked for, else the one that matters most."""
    by_name = {feature.name: feature for feature in manifest.features}
    if name in by_name:
        return by_name[name]
    return max(manifest.features, key=lambda feature: manifest.importances.get(feature.name, 0.0))


def _link(form: Form, version: int, curve: str) -> str:
    """The address of this prediction; "" if it would be too long to pass on."""
    pairs = [(PREFIX + field.feature, field.text) for field in form.fields]
    pairs += [("curve", curve)] if curve else []
    link = f"/?{urlencode([*pairs, ('model', str(version))])}"
    return link if len(link) <= LONGEST_LINK else ""
