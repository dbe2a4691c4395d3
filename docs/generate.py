"""Writes `docs/errors.md` and `docs/settings.md` from the code: `python docs/generate.py`, or `make docs`.

Each subclass of ProblemError with an id is an entry; the first paragraph of its docstring is the title. Each field of
a process's settings is a row.
"""

import inspect
import pkgutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

# Only now is the tree importable.
from app.frontend.settings import Settings as AppSettings  # noqa: E402
from app.panel.settings import Settings as PanelSettings  # noqa: E402
from app.prediction.settings import ApiSettings  # noqa: E402
from app.tracking_server.settings import Settings as TrackingSettings  # noqa: E402
from pipeline.core.problems import ProblemError  # noqa: E402
from pipeline.core.settings import ProcessSettings, env_name  # noqa: E402

ERRORS: Final = ROOT / "docs" / "errors.md"
SETTINGS: Final = ROOT / "docs" / "settings.md"
INTRODUCTION: Final = """# Errors and what to do

Every error that a person meets has an id. It says what happened, why, and what to do; here it says a little more.
Over HTTP it is an RFC 9457 problem (`application/problem+json`) with the members `id`, `what`, `why`, `fix`, `command`.

<!-- Written by `make docs` from the docstrings of the classes; edit those. -->
"""
# In the order in which a reader meets them.
SECTIONS: Final = {
    "DATA": "The table",
    "TRAIN": "Training",
    "MODEL": "Bundles",
    "DEPLOY": "Deployment",
    "DRIFT": "Drift",
    "MLF": "Tracking",
    "API": "Prediction API",
    "APP": "Prediction app",
    "RUN": "Runs",
    "CONF": "Settings",
    "PANEL": "Start of the panel",
    "AUTH": "Login",
    "WEB": "Requests",
    "FILE": "Uploads",
    "PORT": "Ports",
    "SVC": "Services",
    "DB": "Database",
    "BACKUP": "Backups",
    "DISK": "Disk",
    "MEM": "Memory",
    "PERM": "Permissions",
    "FS": "File system",
    "DOCK": "Docker engine",
    "NAME": "Container names",
    "IMG": "Images",
    "NET": "Network",
}


SETTINGS_INTRODUCTION: Final = """# Settings

Order: command line (`make run` takes none; `python -m app.panel --help` lists the options, which no secret is), environment,
`ml-pipeline.toml` in the folder where the panel starts (keys as the environment's names), defaults. The file may hold
the settings of the control panel only; the panel hands the `API_` and `APP_` settings of its environment on to the
prediction API and the prediction app. Invalid values are reported at start (CONF-01), and so are names that look like
typos (PANEL-09).

<!-- Written by `make docs` from the classes of settings; edit those. -->
"""
PROCESSES: Final[dict[str, type[ProcessSettings]]] = {
    "Control panel": PanelSettings,
    "Prediction API": ApiSettings,
    "Prediction app": AppSettings,
    "MLflow": TrackingSettings,
}


def settings_page() -> str:
    """Return the text of `docs/settings.md`."""
    page = SETTINGS_INTRODUCTION
    for process, kind in PROCESSES.items():
        page += f"\n## {process}\n\n| name | default | meaning |\n|---|---|---|\n"
        for field, info in kind.model_fields.items():
            default = "" if info.default in (None, "") else f"`{info.default}`"
            page += f"| `{env_name(kind, field)}` | {default} | {info.description} |\n"
    return page


def problem_classes() -> dict[str, type[ProblemError]]:
    """Return the class of each id. Raises ValueError where two classes share one or an id has no docstring."""
    for package in ("app", "pipeline"):
        for module in pkgutil.walk_packages([str(ROOT / package)], f"{package}."):
            if module.name.rpartition(".")[2].endswith("problems"):
                import_module(module.name)
    classes: dict[str, type[ProblemError]] = {}
    for kind in _subclasses(ProblemError):
        if not vars(kind).get("id"):
            continue
        if kind.id in classes:
            raise ValueError(f"{kind.id} has two classes: {classes[kind.id].__name__} and {kind.__name__}.")
        if not kind.__doc__:
            raise ValueError(f"{kind.__name__} ({kind.id}) has no docstring.")
        classes[kind.id] = kind
    return classes


def errors_page() -> str:
    """Return the text of `docs/errors.md`. Raises ValueError for a family without a section."""
    entries = {key: _entry(kind) for key, kind in problem_classes().items()}
    unknown = {key.partition("-")[0] for key in entries} - set(SECTIONS)
    if unknown:
        raise ValueError(f"No section of docs/errors.md is for {', '.join(sorted(unknown))}.")
    page = INTRODUCTION
    for family, title in SECTIONS.items():
        ids = sorted(key for key in entries if key.partition("-")[0] == family)
        if ids:
            page += f"\n## {title}\n" + "".join(f"\n### {key}\n\n{entries[key].strip()}\n" for key in ids)
    return page


def _entry(kind: type[ProblemError]) -> str:
    title, _, text = inspect.cleandoc(kind.__doc__ or "").partition("\n\n")
    return f"**{' '.join(title.split())}**" + (f"\n\n{text}" if text else "")


def _subclasses(kind: type[ProblemError]) -> Iterator[type[ProblemError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _subclasses(each)


def main() -> None:
    """Write the pages."""
    ERRORS.write_text(errors_page(), "utf-8")
    SETTINGS.write_text(settings_page(), "utf-8")


if __name__ == "__main__":
    main()
