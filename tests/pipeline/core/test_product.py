"""The constants of the product."""

import tomllib
from pathlib import Path

from pipeline.core.product import NAME, VERSION


def test_name_and_version_are_those_of_the_distribution_when_either_changes() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))["project"]
    assert (project["name"], project["version"]) == (NAME, VERSION)
