"""The terminal's options, drawn from `Params`: a new parameter has an option without a line here."""

import argparse
import json
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from pipeline.cli.problems import InvalidParameterError
from pipeline.core.params import Params


def add_parameters(parser: argparse.ArgumentParser) -> None:
    """An option for each parameter, in the groups of the panel's form; nested ones go through `--set`."""
    groups: dict[str, argparse._ArgumentGroup] = {}
    for name, info in Params.model_fields.items():
        if _is_group(info):
            continue
        extra = info.json_schema_extra
        title = str(extra.get("group", "More")) if isinstance(extra, dict) else "More"
        group = groups.setdefault(title, parser.add_argument_group(title))
        flag = "--" + name.replace("_", "-")
        shown = "" if info.default is None or info.default == () else f" [{info.default}]"
        text = f"{info.description or ''}{shown}".replace("%", "%%")
        kind = _inner(info.annotation)
        if kind is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        elif get_origin(kind) is Literal:
            group.add_argument(flag, choices=get_args(kind), help=text)
        elif get_origin(kind) is tuple:
            group.add_argument(flag, action="append", metavar="TEXT", help=text + " May be given several times.")
        else:
            group.add_argument(flag, metavar="TEXT" if kind is str else "NUMBER", help=text)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any parameter by name, such as hist_gradient_boosting.max_iter=100; may be given several times",
    )


def parameters(given: argparse.Namespace) -> Params:
    """The parameters that the options say. Raises InvalidParameterError for a value or name that does not exist."""
    found: dict[str, Any] = {
        name: value for name in Params.model_fields if (value := getattr(given, name, None)) is not None
    }
    for setting in given.set:
        key, equals, text = setting.partition("=")
        if not equals:
            raise InvalidParameterError(f"{setting!r} is not of the form KEY=VALUE.")
        _put(found, key.strip().split("."), _value(text.strip()))
    try:
        return Params.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidParameterError(f"{place}: {first['msg']}.") from error


def _put(found: dict[str, Any], path: list[str], value: object) -> None:
    for part in path[:-1]:
        inner = found.setdefault(part, {})
        if not isinstance(inner, dict):
            raise InvalidParameterError(f"{'.'.join(path)}: {part} has no parts.")
        found = inner
    found[path[-1]] = value


def _value(text: str) -> object:
    """JSON where it is JSON (numbers, true, null, lists), else the text itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _is_group(info: FieldInfo) -> bool:
    return isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)


def _inner(annotation: Any) -> Any:  # noqa: ANN401  # annotations have no common type
    """The type without Annotated and without None."""
    if get_origin(annotation) is Annotated:
        return _inner(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        return _inner(next(part for part in get_args(annotation) if part is not type(None)))
    return annotation
