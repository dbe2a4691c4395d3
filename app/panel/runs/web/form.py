"""The form of a new run, drawn from the schema of `Params`, and what a browser sends back. Pure.

Names are paths: `seed`, `random_forest.max_depth`. A field without text is the parameter's "nothing", where it has one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import ValidationError

from pipeline.core.params import Params, choice_title

Kind = Literal["text", "number", "choice", "check", "lines", "json"]
# Estimators' settings have scikit-learn's names; these say what they mean.
_TITLES: Final = {
    "c": "C",
    "l2_regularization": "L2 regularization",
    "learning_rate": "Learning rate",
    "max_depth": "Max depth of a tree",
    "max_iter": "Max iterations",
    "max_leaf_nodes": "Max leaves per tree",
    "min_samples_leaf": "Min rows per leaf",
    "n_estimators": "Trees",
    "n_iter_no_change": "Early-stopping rounds",
}


@dataclass(frozen=True)
class FormField:
    """One input. `text` is what it holds (lines for `lines`, "on" or "" for `check`, an object for `json`), `error` why it is not valid."""

    name: str
    title: str
    help: str
    kind: Kind
    text: str
    options: tuple[tuple[str, str], ...] = ()
    low: str = ""
    high: str = ""
    is_whole: bool = False
    error: str = ""

    @property
    def id(self) -> str:
        """Return its id in the page."""
        return "p-" + self.name.replace(".", "-")

    @property
    def value(self) -> str:
        """Return what it holds as a reader sees it: the title of a choice, `Yes` or `No`."""
        if self.kind == "check":
            return "Yes" if self.text else "No"
        return dict(self.options).get(self.text, self.text)


@dataclass(frozen=True)
class FieldGroup:
    """Fields that belong together; `choice` is the estimator that they belong to, "" if they always count."""

    title: str
    fields: tuple[FormField, ...]
    choice: str = ""


def build(
    values: Mapping[str, Any], texts: Mapping[str, str] | None = None, errors: Mapping[str, str] | None = None
) -> tuple[FieldGroup, ...]:
    """Return groups of fields with `values` of the parameters, or with the submitted `texts` and their `errors`."""
    schema = Params.model_json_schema()
    groups: dict[str, list[FormField]] = {}
    parts: list[FieldGroup] = []
    for name, spec in schema["properties"].items():
        if "$ref" in spec:
            part = schema["$defs"][spec["$ref"].rsplit("/", 1)[-1]]
            own = values.get(name) or {}
            fields = tuple(
                _field(f"{name}.{key}", sub, own.get(key, sub.get("default")), texts, errors)
                for key, sub in part["properties"].items()
            )
            parts.append(FieldGroup(title=choice_title(name), fields=fields, choice=name))
        else:
            field = _field(name, spec, values.get(name, spec.get("default")), texts, errors)
            groups.setdefault(spec.get("group", "Other"), []).append(field)
    return (*(FieldGroup(title=title, fields=tuple(fields)) for title, fields in groups.items()), *parts)


def parse(texts: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the submitted parameters, and the error of each field that is not valid: one of the two is empty."""
    params: dict[str, Any] = {}
    fields = {field.name: field for group in build({}) for field in group.fields}
    for name, field in fields.items():
        *parents, key = name.split(".")
        target = params.setdefault(parents[0], {}) if parents else params
        target[key] = _value(field, texts.get(name, ""))
    try:
        return Params.model_validate(params).model_dump(mode="json"), {}
    except ValidationError as error:
        errors: dict[str, str] = {}
        for item in error.errors():
            # The path goes on below the field where a list's line or a union's branch is meant.
            path = ".".join(str(step) for step in item["loc"])
            name = next((name for name in fields if path == name or path.startswith(f"{name}.")), path)
            errors.setdefault(name, _sentence(item["msg"]))
        return {}, errors


def chosen_fields(params: Mapping[str, Any]) -> tuple[FormField, ...]:
    """Return the fields with these parameters, without the settings of estimators that were not chosen."""
    chosen = params.get("estimator")
    return tuple(field for group in build(params) if group.choice in {"", chosen} for field in group.fields)


def _field(
    name: str,
    spec: Mapping[str, Any],
    value: Any,  # noqa: ANN401 - of any parameter
    texts: Mapping[str, str] | None,
    errors: Mapping[str, str] | None,
) -> FormField:
    shape = next((s for s in spec.get("anyOf", []) if s.get("type") != "null"), spec)
    low = shape.get("minimum", shape.get("exclusiveMinimum", ""))
    high = shape.get("maximum", shape.get("exclusiveMaximum", ""))
    kinds: dict[str, Kind] = {
        "boolean": "check", "integer": "number", "number": "number", "array": "lines", "object": "json"
    }  # fmt: skip
    return FormField(
        name=name,
        title=_title(name.rsplit(".", 1)[-1]) if "." in name else str(spec["title"]),
        help=spec.get("description", ""),
        kind="choice" if "enum" in shape else kinds.get(shape.get("type", ""), "text"),
        text=_text(value) if texts is None else texts.get(name, ""),
        options=tuple((option, choice_title(option)) for option in shape.get("enum", ())),
        low=str(low),
        high=str(high),
        is_whole=shape.get("type") == "integer",
        error=(errors or {}).get(name, ""),
    )  # fmt: skip


def _value(field: FormField, text: str) -> object:
    text = text.replace("\r\n", "\n")
    if field.kind == "check":
        return text == "on"
    if field.kind == "json":
        try:
            return json.loads(text or "{}")
        except ValueError:
            return text
    if field.kind == "lines":
        lines = [line.strip() for line in text.split("\n") if line.strip()]
        # Where an empty list and "the built-in ones" differ, an empty box means the latter.
        return lines or (None if Params.model_fields[field.name].default is None else [])
    return text.strip() or (None if field.name in {"target", "sheet"} else "")


def _text(value: Any) -> str:  # noqa: ANN401 - of any parameter
    if value is None or value is False:
        return ""
    if value is True:
        return "on"
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False) if value else ""
    return "\n".join(value) if isinstance(value, list | tuple) else str(value)


def _title(name: str) -> str:
    return _TITLES.get(name) or name.replace("_", " ").capitalize()


def _sentence(message: str) -> str:
    text = message.removeprefix("Input ").removeprefix("Value error, ")
    return f"{text[:1].upper()}{text[1:]}."
