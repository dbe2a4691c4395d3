"""Cost of the containers: image, start, replacement, memory. Needs an engine; leaves nothing behind."""

import json
import re
import secrets
import tempfile
import time
from pathlib import Path

from bench.compose_stack import SERVICES, Stack, docker, stack_of
from bench.rows import Row, row

TITLE = "Docker: image, start, memory"
IDLE_S = 10.0
LARGE = "du -sm /opt/panel/lib/python3*/site-packages/* | sort -rn | head -8"


def measure() -> list[Row]:
    """Rows of one stack, measured from its build to its end."""
    with tempfile.TemporaryDirectory() as folder, stack_of(Path(folder), f"amlp-bench-{secrets.token_hex(3)}") as stack:
        stack.compose("build", "--quiet")
        rows = [*_image(stack), _first_page(stack)]
        stack.until(stack.is_healthy, within_s=120, what="all services answer")
        rows += [*_from_absent(stack), *_deploy(stack)]
        time.sleep(IDLE_S)
        return rows + _idle(stack)


def _image(stack: Stack) -> list[Row]:
    size = int(docker("image", "inspect", "-f", "{{.Size}}", stack.project)) / 1e6
    base = int(docker("image", "inspect", "-f", "{{.Size}}", "python:3.13-slim")) / 1e6
    inside = docker(
        "run", "--rm", "--entrypoint", "bash", stack.project, "-c", f"du -sm /opt/panel /opt/serve; {LARGE}"
    )
    panel, serve, *large = [line.split(None, 1) for line in inside.splitlines()]
    names = ", ".join(f"{Path(path).name} {megabytes}" for megabytes, path in large)
    return [
        row("image, unpacked", [size], "MB", below=1300, note=f"base {base:.0f} MB"),
        Row(what="environment to train and run the panel", value=f"{panel[0]} MB", note=names),
        Row(what="environment to serve, on top", value=f"{serve[0]} MB", note="the rest is the same files"),
    ]


def _first_page(stack: Stack) -> Row:
    times = []
    for _ in range(3):
        start_s = time.monotonic()
        stack.compose("up", "-d")
        stack.until(lambda: stack.panel("schedule"), within_s=60, what="the first page")
        times.append(time.monotonic() - start_s)
        if len(times) < 3:
            stack.until(stack.is_healthy, within_s=120, what="all services answer")
            stack.compose("--profile", "all", "down", "-v")
    return row("`docker compose up -d` to the first page, image present", times, "s", below=5)


def _from_absent(stack: Stack) -> list[Row]:
    rows = []
    for name in SERVICES:
        start_s = time.monotonic()
        docker("rm", "-f", stack.container(name))
        stack.until(lambda name=name: _runs(stack, name), within_s=120, what=f"{name} answers")  # type: ignore[misc]
        rows.append(row(f"{name}: removed by hand to answering", [time.monotonic() - start_s], "s"))
    return rows


def _runs(stack: Stack, name: str) -> bool:
    shown = next(s for s in stack.panel("services")["services"] if s["name"] == name)
    return bool(shown["state"] == "running") and bool(docker("ps", "-q", "--filter", f"name={stack.container(name)}$"))


def _deploy(stack: Stack) -> list[Row]:
    total, deploy = [], []
    for seed in range(3):
        run = stack.panel("runs", {"params": {"seed": seed}})["id"]
        finished = stack.until(
            lambda run=run: (r := stack.panel(f"runs/{run}"))["finished_at"] and r,  # type: ignore[misc]
            within_s=300,
            what="the run ends",
        )
        total.append(float(finished["duration_s"]))
        deploy += [float(s["duration_s"]) for s in finished["stages"] if s["name"] == "deploy" and s["duration_s"]]
    return [
        row("stage deploy, services already up", deploy, "s", below=2),
        row("whole run on the built-in table, in the container", total, "s"),
    ]


def _idle(stack: Stack) -> list[Row]:
    lines = docker("stats", "--no-stream", "--format", "{{json .}}").splitlines()
    used = {}
    for line in lines:
        stats = json.loads(line)
        if stats["Name"].startswith(stack.project):
            used[stats["Name"]] = _megabytes(stats["MemUsage"].split("/")[0])
    rows = [row(f"memory, idle: {name}", [used[stack.container(name)]], "MB") for name in ("panel", *SERVICES)]
    note = "4 containers; the stack it replaces has ten and several GB"
    return [*rows, row("memory, idle: all of it", [sum(used.values())], "MB", note=note)]


def _megabytes(text: str) -> float:
    number, unit = re.match(r"([\d.]+)\s*(\w+)", text.strip()).groups()  # type: ignore[union-attr]
    return float(number) * {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "B": 1}[unit] / 1e6
