"""The options of the terminal, generated from `Params`: a new parameter has an option without a change here."""

import argparse
import json
import types
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from pipeline.cli.problems import InvalidParameterError
from pipeline.core.params import Params


def add_parameters(parser: argparse.ArgumentParser) -> None:
    """Add an option for each parameter, in the groups of the panel's form; nested ones are set with `--set`."""
    groups: dict[str, argparse._ArgumentGroup] = {}
    for name, info in Params.model_fields.items():
        if _is_group(info) or get_origin(info.annotation) is dict:
            continue
        extra = info.json_schema_extra
        title = str(extra.get("group", "More")) if isinstance(extra, dict) else "More"
        group = groups.setdefault(title, parser.add_argument_group(title))
        flag = "--" + name.replace("_", "-")
        shown = "" if info.default is None or info.default == () else f" [{info.default}]"
        text = f"{info.description or ''}{shown}".replace("%", "%%")
        kind = _bare_type(info.annotation)
        if kind is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        elif get_origin(kind) is Literal:
            group.add_argument(flag, choices=get_args(kind), help=text)
        elif get_origin(kind) is tuple:
            group.add_argument(flag, action="append", metavar="TEXT", help=text + " Repeatable.")
        else:
            group.add_argument(flag, metavar="TEXT" if kind is str else "NUMBER", help=text)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any parameter by name, such as hist_gradient_boosting.max_iter=100; repeatable",
    )


def parameters(arguments: argparse.Namespace) -> Params:
    """Return the parameters that the options set. Raises InvalidParameterError for a value or name that does not exist."""
    values: dict[str, Any] = {
        name: value for name in Params.model_fields if (value := getattr(arguments, name, None)) is not None
    }
    for setting in arguments.set:
        key, equals, text = setting.partition("=")
        if not equals:
            raise InvalidParameterError(f"{setting!r} is not of the form KEY=VALUE.")
        _set_nested(values, key.strip().split("."), _parsed(text.strip()))
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidParameterError(f"{place}: {first['msg']}.") from error


def _set_nested(values: dict[str, Any], path: list[str], value: object) -> None:
    for part in path[:-1]:
        inner = values.setdefault(part, {})
        if not isinstance(inner, dict):
            raise InvalidParameterError(f"{'.'.join(path)}: {part} is not a group of parameters.")
        values = inner
    values[path[-1]] = value


def _parsed(text: str) -> object:
    """Return the parsed value where the text is JSON (numbers, true, null, lists), else the text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _is_group(info: FieldInfo) -> bool:
    return isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)


def _bare_type(annotation: Any) -> Any:  # noqa: ANN401  # annotations have no common type
    """Return the type without None."""
    if get_origin(annotation) is not types.UnionType:
        return annotation
    return next(part for part in get_args(annotation) if part is not type(None))
