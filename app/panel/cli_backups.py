"""`ml-pipeline backup`, `verify` and `restore`. The last two work on files, and need no panel that runs."""

import argparse
import sys
import time
from typing import TYPE_CHECKING, Final

from app.panel.cli_output import minute, printable
from app.panel.clock import SystemClock
from app.panel.settings import Settings
from app.panel.startup import keep_private, lock
from app.web.formats import size
from pipeline.core.sentences import plural

if TYPE_CHECKING:
    from app.panel.backups.archive import Contents
    from app.panel.client import PanelClient

VERBS: Final = frozenset({"backup"})  # of the panel's client
FILE_VERBS: Final = frozenset({"verify", "restore"})
POLL_S: Final = 0.5
PATH: Final = "/api/v1/backups"


def add_commands(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands to those of `ml-pipeline`."""
    backup = verbs.add_parser("backup", help="make a backup of database, models, runs and MLflow's store")
    backup.add_argument("--list", action="store_true", help="list the backups that there are, and make none")
    check = verbs.add_parser("verify", help="check that a backup is whole")
    back = verbs.add_parser("restore", help="put a backup into the folders of a panel that does not run")
    for parser in (check, back):
        parser.add_argument("backup", help="a file, a URL, or the name of a backup in the list")
    back.add_argument("--replace", action="store_true", help="move aside what the folders hold")


def run(arguments: argparse.Namespace, panel: "PanelClient") -> int:
    """Make a backup, or list them, and return the exit code. Raises ProblemError."""
    from rich.console import Console
    from rich.table import Table

    if not arguments.list:
        panel.post(PATH)
        while (found := panel.get(PATH))["progress"]["running_since"] is not None:
            time.sleep(POLL_S)
    else:
        found = panel.get(PATH)
    if problem := found["progress"]["problem"] or found["place_problem"]:
        print(printable(problem), file=sys.stderr)
        return 1
    if not arguments.list:
        newest = found["backups"][0]
        print(f"{newest['name']} ({size(newest['n_bytes'])}) is in {printable(found['place'])}.")
        return 0
    table = Table("backup", "made", "size", title=f"Backups in {printable(found['place'])}")
    for row in found["backups"]:
        table.add_row(row["name"], minute(row["created_at"]), size(row["n_bytes"]))
    Console(markup=False).print(table)
    return 0


def run_on_files(arguments: argparse.Namespace, settings: Settings) -> int:
    """Verify or restore a backup and return the exit code. Raises ProblemError."""
    import app.panel.main  # noqa: F401 - a database is opened, and every table must be known
    from app.panel.backups.restore import restore, verify

    if arguments.verb == "verify":
        contents = verify(settings, arguments.backup)
        print(f"The backup is whole: {_described(contents)}.")
        return 0
    with lock(settings):
        _refuse_beside_services(settings)
        keep_private(settings)
        restored = restore(settings, arguments.backup, SystemClock(), replace=arguments.replace)
    print(f"Restored: {_described(restored.contents)}.")
    if restored.aside:
        print(f"What was there is in {restored.aside} in each folder; delete it when you do not need it any more.")
    if restored.settings_file is not None:
        print(f"The settings of the backup are in {restored.settings_file}.")
    print("Start the panel now. Everybody has to log in again.")
    return 0


def _refuse_beside_services(settings: Settings) -> None:
    """Raise ServicesStillRunError for services that an earlier panel has left; those in containers are not seen from here."""
    from app.panel.backups.problems import ServicesStillRunError
    from app.panel.services.factory import services_dir
    from app.panel.services.process.records import Records
    from app.panel.services.protocol import TITLES

    if running := Records(services_dir(settings)).running():
        raise ServicesStillRunError(f"{', '.join(TITLES[name] for name in running)} outlived the panel.")


def _described(contents: "Contents") -> str:
    n_versions = sum(name.startswith("models/versions/") and name.endswith("/manifest.json") for name in contents.files)
    n_runs = len({name.split("/")[2] for name in contents.files if name.startswith("state/runs/")})
    made = f"of {contents.created_at:%Y-%m-%d %H:%M} UTC by version {contents.version}"
    counts = ", ".join((plural(n_runs, "run"), plural(n_versions, "model version")))
    return f"{made}, {plural(len(contents.files), 'file')}, {size(contents.n_bytes)}, {counts}"
