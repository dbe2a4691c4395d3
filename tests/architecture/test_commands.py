"""Commands that code and documentation name exist: make targets, verbs and options of ours, services of Compose."""

import argparse
import ast
import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from app.panel import cli

pytestmark = pytest.mark.process
ROOT = Path(__file__).parent.parent.parent
CODE = re.compile(r"```.*?```|`[^`]+`|<code>.*?</code>", re.DOTALL)
# In a sentence, "make" is a verb: only what begins and ends like a command is one.
MAKE = re.compile(r"(?:^|[`;>] ?|&& |# or: |[A-Z_]+=\S+ )make ([a-z-]+)(?=\s*(?:$|[`;&#<A-Z]))", re.MULTILINE)
VERB = re.compile(r"(?<![\w/-])(?:\.venv/bin/)?ml-pipeline ([a-z]+)\b((?: -[\w-]+)*)")
MODULE = re.compile(r"python3? -m ([a-z][a-z_.]*[a-z])((?: [\w./-]+)*)")
COMPOSE = re.compile(r"docker compose((?: --?[a-z]+ [A-Za-z]+)*) ([a-z]+)\b((?: [\w-]+)*)")
COMPOSE_VERBS = {"build", "config", "down", "exec", "logs", "ps", "pull", "restart", "run", "start", "stop", "up"}


def _strings(source: str) -> Iterator[str]:
    """Yield the strings of Python code; of those that are documentation, what stands between backticks."""
    tree = ast.parse(source)
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from CODE.findall(node.value) if id(node) in documentation else (node.value,)


@functools.cache
def _texts() -> tuple[tuple[str, str], ...]:
    """Return (file, text in which a command may stand) pairs."""
    sources = [path for folder in ("app", "pipeline") for path in (ROOT / folder).rglob("*.py")]
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "templates").rglob("*.html")]
    texts = [(path, text) for path in sources for text in _strings(path.read_text("utf-8"))]
    texts += [(path, text) for path in pages for text in CODE.findall(path.read_text("utf-8"))]
    return tuple((str(path.relative_to(ROOT)), text) for path, text in texts)


def _named(pattern: re.Pattern[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Return (file, groups) of all places that match; there must be some, or the pattern is wrong."""
    places = [(file, match.groups()) for file, text in _texts() for match in pattern.finditer(text)]
    assert places
    return places


@functools.cache
def _help(module: str, verb: str) -> str:
    command = [sys.executable, "-m", module, *([verb] if verb else []), "--help"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_each_make_target_exists_when_it_is_named() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert [place for place in _named(MAKE) if place[1][0] not in targets] == []


def test_each_verb_and_option_of_ml_pipeline_exists_when_it_is_named() -> None:
    (verbs,) = (action for action in cli._parser()._actions if isinstance(action, argparse._SubParsersAction))
    known = {verb: set(parser._option_string_actions) for verb, parser in verbs.choices.items()}
    places = _named(VERB)
    assert [place for place in places if place[1][0] not in known] == []
    assert [place for place in places if not set(place[1][1].split()) <= known[place[1][0]]] == []


def test_each_module_verb_and_option_exists_when_it_is_named_to_python() -> None:
    unknown = []
    for file, (module, rest) in _named(MODULE):
        path = ROOT / module.replace(".", "/")
        is_ours = path.with_suffix(".py").exists() or (path / "__main__.py").exists()
        words = rest.split()
        verb = words[0] if words and re.fullmatch("[a-z]+", words[0]) else ""
        options = {word for word in words if word.startswith("--")}
        if not is_ours:
            is_known = find_spec(module) is not None
        else:
            is_known = not (verb or options) or options <= set(re.findall(r"--[\w-]+", _help(module, verb)))
        if not is_known:
            unknown.append((file, module, rest))
    assert unknown == []


def test_each_profile_and_service_exists_when_it_is_named_to_compose() -> None:
    text = (ROOT / "compose.yaml").read_text("utf-8")
    (section,) = re.findall(r"^services:\n(.*?)^\w", text, re.MULTILINE | re.DOTALL)
    services = set(re.findall(r"^  (\w+):", section, re.MULTILINE))
    profiles = set(re.findall(r"profiles: \[(\w+)\]", section))
    unknown = []
    for file, (options, verb, rest) in _named(COMPOSE):
        names = [word for word in rest.split() if not word.startswith("-")]
        names = names[:1] if verb in {"exec", "run"} else names
        if (
            verb not in COMPOSE_VERBS
            or not set(re.findall(r"--profile (\w+)", options)) <= profiles
            or not set(names) <= services
        ):
            unknown.append((file, options, verb, rest))
    assert unknown == []


@pytest.mark.parametrize(
    ("pattern", "text", "is_command"),
    [
        (MAKE, "ML_PIPELINE_RUNTIME=process make run", True),
        (MAKE, "make run    # or: docker compose up -d", True),
        (MAKE, "so that they make it", False),
        (MAKE, "make the model live", False),
        (VERB, "docker compose exec panel ml-pipeline doctor", True),
        (VERB, ".venv/bin/ml-pipeline logs -f     # follow it", True),
        (VERB, "ML_PIPELINE_STATE=/var/tmp/ml-pipeline make run", False),
    ],
)
def test_command_is_told_from_a_sentence_when_it_is_read(pattern: re.Pattern[str], text: str, is_command: bool) -> None:
    assert bool(pattern.search(text)) is is_command
