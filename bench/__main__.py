"""`python -m bench [SECTION ...]`: run the sections and write `docs/bench.md` with machine, versions and date."""

import argparse
import importlib
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.rows import Row

SECTIONS = ("panel", "watchers", "cycle", "data_scale", "serving", "docker")
PACKAGES = ("fastapi", "uvicorn", "onnxruntime", "scikit-learn", "pandas", "numpy", "mlflow", "sqlmodel", "docker")
REPORT = Path(__file__).parent.parent / "docs" / "bench.md"


def main() -> int:
    """Exit code 0 when each section ran; 1 when one could not be measured (the table says which and why)."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("section", nargs="*", help=f"any of: {', '.join(SECTIONS)} (default: all)")
    chosen = parser.parse_args().section or list(SECTIONS)
    kept = _sections(REPORT.read_text("utf-8")) if REPORT.exists() else {}
    failed = False
    for name in chosen:
        module = importlib.import_module(f"bench.{name}")
        print(f"== {module.TITLE}", flush=True)
        try:
            rows: list[Row] = module.measure()
        except Exception as error:  # noqa: BLE001 - a section that cannot run must not lose the others
            failed = True
            rows = [Row(what="not measured", value="-", note=f"{type(error).__name__}: {error}".splitlines()[0])]
        for row in rows:
            print(f"  {row.what}: {row.value} {row.goal and f'(goal {row.goal})'} {row.note}", flush=True)
        kept[name] = _table(module.TITLE, rows)
    REPORT.write_text(_page(kept), "utf-8")
    return int(failed)


def _page(tables: dict[str, str]) -> str:
    head = (
        "# Bench\n\n"
        "Written by `make bench`. Medians; absolute figures differ from machine to machine, ratios were measured side by side in one run.\n"
        "What the alternatives cost: [peers.md](peers.md).\n"
    )
    return head + "".join(f"\n<!-- {name} -->\n{tables[name]}" for name in SECTIONS if name in tables)


def _sections(text: str) -> dict[str, str]:
    parts = text.split("\n<!-- ")[1:]
    return {part.split(" -->\n", 1)[0]: part.split(" -->\n", 1)[1] for part in parts}


def _table(title: str, rows: list[Row]) -> str:
    lines = [f"## {title}", "", f"{_machine()}", "", "| what | measured | goal | met | note |", "|---|---|---|---|---|"]
    for row in rows:
        met = {True: "yes", False: "**no**", None: ""}[row.met]
        lines.append(f"| {row.what} | {row.value} | {row.goal} | {met} | {row.note} |")
    return "\n".join(lines) + "\n"


def _machine() -> str:
    memory_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, {memory_gb:.0f} GiB, {platform.system()} "
        f"{platform.machine()}, Python {platform.python_version()}; {', '.join(_versions())}"
    )


def _versions() -> list[str]:
    versions = []
    for name in PACKAGES:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return versions


if __name__ == "__main__":
    sys.exit(main())
