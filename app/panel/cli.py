"""`ml-pipeline`: the panel in a terminal, a thin client of its JSON API."""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NoReturn

from app.panel import cli_access, cli_backups, cli_stop
from app.panel.cli_output import cell, coloured, printable
from app.panel.env_check import unknown_settings
from app.panel.problems import PanelUnreachableError
from app.panel.runs.domain.problems import InvalidParamsError
from app.panel.settings import Settings
from app.panel.startup import read_settings
from pipeline.core.problems import ProblemError
from pipeline.core.stage import STAGES

if TYPE_CHECKING:
    from app.panel.client import PanelClient


def main() -> int:
    """Run one command and return the exit code: 0 done, 1 the run or a check failed, 2 a problem, which is printed."""
    arguments = _parser().parse_args()
    try:
        if arguments.verb == "up":
            os.execv(sys.executable, [sys.executable, "-m", "app.panel", *arguments.options])  # noqa: S606 - no shell wanted
        if arguments.verb == "down":
            return cli_stop.down(read_settings([]))
        return _run(arguments)
    except ProblemError as problem:
        _print_problem(problem)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ml-pipeline", description="Control the automated ML pipeline.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    up = verbs.add_parser("up", help="start the panel in this folder", prefix_chars="\0")
    up.add_argument("options", nargs="*", help="options of `python -m app.panel`")
    verbs.add_parser("down", help="stop the panel and end all services, also those that a killed panel left")
    run = verbs.add_parser("run", help="start a run")
    run.add_argument(
        "--from", dest="from_stage", choices=STAGES, help="start at this stage and reuse results of earlier stages"
    )
    run.add_argument("--set", dest="params", action="append", default=[], metavar="NAME=VALUE", help="set a parameter")
    run.add_argument("--follow", "-f", action="store_true", help="print the log until the run ends")
    verbs.add_parser("status", help="show the live model, runs and services")
    logs = verbs.add_parser("logs", help="print the log of a run")
    logs.add_argument("run", nargs="?", help="number or id of the run; default: the newest")
    logs.add_argument("--follow", "-f", action="store_true", help="print until the run ends")
    promote = verbs.add_parser("promote", help="make a model version live")
    promote.add_argument("version", type=int)
    rollback = verbs.add_parser("rollback", help="go back to the previous model version, or to the one that is named")
    rollback.add_argument("version", type=int, nargs="?")
    cli_access.add_commands(verbs)
    cli_backups.add_commands(verbs)
    verbs.add_parser("doctor", help="check what the panel needs, and say how to fix it")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    from app.panel.client import PanelClient

    settings = read_settings([])
    for problem in unknown_settings(os.environ):
        _print_problem(problem)
    if arguments.verb in cli_backups.FILE_VERBS:
        return cli_backups.run_on_files(arguments, settings)
    with PanelClient(settings) as panel:
        if arguments.verb in cli_access.VERBS:
            return cli_access.run(arguments, panel)
        if arguments.verb in cli_backups.VERBS:
            return cli_backups.run(arguments, panel)
        if arguments.verb == "doctor":
            return _doctor(panel, settings)
        return _control(arguments, panel, settings)


def _control(arguments: argparse.Namespace, panel: "PanelClient", settings: Settings) -> int:
    """Run a command about runs and models."""
    from app.panel.client import SLOW_S

    match arguments.verb:
        case "run":
            body = {"from_stage": arguments.from_stage or STAGES[0], "params": parse_params(arguments.params)}
            started = panel.post("/api/v1/runs", body)
            print(f"Run {started['number']} {started['state']}: {panel.url}/runs/{started['id']}")
            return _follow(panel, started["id"]) if arguments.follow else 0
        case "logs":
            return _logs(panel, arguments.run, follow=arguments.follow)
        case "promote":
            row = panel.post(f"/api/v1/models/{arguments.version}/promote", timeout_s=SLOW_S)
            print(f"Version {row['to_version']} is live.")
        case "rollback":
            target = {} if arguments.version is None else {"to": arguments.version}
            row = panel.post("/api/v1/models/rollback", target, timeout_s=SLOW_S)
            print(f"Version {row['to_version']} is live again.")
        case _:
            _status_or_left(panel, settings)
    return 0


def parse_params(assignments: Sequence[str]) -> dict[str, Any] | None:
    """Return `a=1` and `group.b=x` as parameters, None for none; values are JSON where that is valid, else text.

    Raises InvalidParamsError for what is not NAME=VALUE.
    """
    params: dict[str, Any] = {}
    for item in assignments:
        name, equals, text = item.partition("=")
        if not equals or not name:
            raise InvalidParamsError(f"{item!r} is not NAME=VALUE.", fix="For example: --set target=species.")
        *groups, leaf = name.split(".")
        place: Any = params
        for group in groups:
            place = place.setdefault(group, {}) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            raise InvalidParamsError(
                f"{item!r} contradicts an earlier --set.",
                why="A name holds either a value or a group of names.",
                fix="Remove one of the two.",
            )
        place[leaf] = _value(text)
    return params or None


def _value(text: str) -> Any:  # noqa: ANN401 - whatever JSON can say
    try:
        return json.loads(text, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        return text


def _reject_constant(text: str) -> NoReturn:
    # NaN and the infinities, which the panel would reject as well.
    raise ValueError(text)


def _logs(panel: "PanelClient", run: str | None, *, follow: bool) -> int:
    if run is None:
        runs = panel.get("/api/v1/runs", limit=1)["runs"]
        if not runs:
            print("No runs yet.")
            return 0
        run = runs[0]["id"]
    detail = panel.get(f"/api/v1/runs/{run}")
    if follow:
        return _follow(panel, detail["id"])
    after = 0
    while lines := panel.lines(detail["id"], after):
        for line in lines:
            _print_line(line)
        after = lines[-1]["seq"]
    return 0


def _follow(panel: "PanelClient", run_id: str) -> int:
    for item in panel.follow(run_id):
        if "text" not in item:
            return 0 if item["state"] == "succeeded" else 1
        _print_line(item)
    return 1


def _status_or_left(panel: "PanelClient", settings: Settings) -> None:
    try:
        _status(panel)
    except PanelUnreachableError:
        if left := cli_stop.left_services(settings):
            print(left)
        raise


def _status(panel: "PanelClient") -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False)
    schedule = panel.get("/api/v1/schedule")
    models = panel.get("/api/v1/models")
    due = "schedule paused" if schedule["paused"] else "schedule starts with the first run"
    if schedule["due_in_s"] is not None:
        due = f"next run in {schedule['due_in_s']:.0f} s"
    live = f"model version {models['live']} is live" if models["live"] else "no model is live yet"
    console.print(f"{panel.url}: {live}; a run every {schedule['interval_s']} s, {due}.", highlight=False)
    runs = Table("run", "state", "trigger", "started", "seconds", "result", title="Runs")
    for row in panel.get("/api/v1/runs", limit=8)["runs"]:
        seconds = "" if row["duration_s"] is None else f"{row['duration_s']:.1f}"
        started = (row["started_at"] or row["created_at"])[:19].replace("T", " ")
        runs.add_row(str(row["number"]), coloured(row["state"]), row["trigger"], started, seconds, cell(row["reason"]))
    services = Table("service", "state", "address", "detail", title="Services")
    for row in panel.get("/api/v1/services")["services"]:
        services.add_row(row["name"], coloured(row["state"]), row["url"], cell(row["detail"]))
    console.print(runs, services)


def _doctor(panel: "PanelClient", settings: Settings) -> int:
    from rich.console import Console
    from rich.table import Table

    try:
        checks = panel.get("/api/v1/preflight", again="true")["checks"]
    except ProblemError as problem:
        from app.panel.services.preflight import machine_checks

        message = {"id": problem.id, "name": "Panel", "state": "error", "message": problem.what, "why": problem.why}
        checks = [{**message, "fix": problem.fix, "command": problem.command}]
        checks += [asdict(check) for check in machine_checks(settings)]
    table = Table("check", "state", "details", "what to do")
    for check in checks:
        known_as = "" if check["state"] == "ok" else f"{check['id']}:"
        what = " ".join(part for part in (known_as, check["message"], check["why"]) if part)
        todo = " ".join(part for part in (check["fix"], check["command"]) if part)
        table.add_row(check["name"], coloured(check["state"]), cell(what), cell(todo))
    Console().print(table)
    return 1 if any(check["state"] == "error" for check in checks) else 0


def _print_line(line: Mapping[str, Any]) -> None:
    mark = {"warning": "WARNING ", "error": "ERROR "}.get(line["level"], "")
    print(f"{line['at'][11:23]} {line['stage']:<12} {mark}{printable(line['text'])}", flush=True)


def _print_problem(problem: ProblemError) -> None:
    lines = [f"{problem.id}: {problem.what}", problem.why, problem.fix]
    if problem.command:
        lines.append(f"Try: {problem.command}")
    print("\n".join(printable(line) for line in lines if line), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
