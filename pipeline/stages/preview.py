"""Looks at tables as process_data would, without training: `python -m pipeline.stages.preview` reads a request on stdin."""

import json
import sys
from pathlib import Path

from pipeline.core.disk import disk_problem
from pipeline.core.params import Params
from pipeline.core.problems import DataError
from pipeline.core.table_preview import PreviewColumn, PreviewRequest, PreviewResult, TablePreview
from pipeline.core.table_profile import ColumnReport
from pipeline.features import leakage, selection
from pipeline.features.duplicates import duplicates
from pipeline.features.split import row_hashes, split
from pipeline.features.target import guess_warning, infer_name, resolve
from pipeline.ingest import tables
from pipeline.ingest.columns import Table, take


def preview(request: PreviewRequest) -> TablePreview:
    """Return how the files are read and what training does with each column. Raises DataError if they are no table."""
    params = request.params
    table = tables.read(
        _named(request),
        request.max_table_cells,
        options=params.columns,
        target=lambda names: _likely_target(names, params.target),
        scratch=request.scratch,
        sheet=params.sheet,
    )
    roles: dict[str, PreviewColumn] = {}
    found = TablePreview(n_rows=table.n_rows, columns=[], notes=table.notes, warnings=table.warnings)
    try:
        roles, found = _judged(table, params, found)
    except DataError as problem:
        found = found.model_copy(update={"problem": problem.as_dict()})
    columns = [roles.get(name) or _without_role(report) for name, report in table.reports.items()]
    return found.model_copy(update={"columns": columns})


def _named(request: PreviewRequest) -> list[Path]:
    """Return the files under the names that people know, in an order in which a run would read them."""
    paths = []
    for i, file in enumerate(sorted(request.files, key=lambda file: file.name)):
        place = request.scratch / f"file-{i}"
        place.mkdir()
        (place / file.name).symlink_to(file.path.resolve())
        paths.append(place / file.name)
    return paths


def _likely_target(names: list[str], chosen: str | None) -> str:
    try:
        return infer_name(names, chosen)
    except DataError:
        return ""


def _judged(table: Table, params: Params, found: TablePreview) -> tuple[dict[str, PreviewColumn], TablePreview]:
    """Return what training does with each column, and the preview with the target. Raises DataError if there is no model."""
    name = infer_name(table.columns, params.target)
    target = resolve(table, name, params.task)
    present = {key: take(column, target.present) for key, column in table.columns.items()}
    n_rows = int(target.present.sum())
    rows = Table(present, n_rows)
    hashes = row_hashes(present.values(), n_rows)
    train = ~split(hashes, params.test_share).test
    chosen = selection.select(rows, name, params.ignore, train)
    suspects = leakage.find_leakage(chosen.features, target, train)
    guess = "" if params.target else guess_warning(name, table.columns)
    warnings = [*found.warnings, *([guess] if guess else []), *leakage.warnings(suspects, name)]
    roles = {
        key: PreviewColumn(
            report=report,
            role="target" if key == name else "dropped" if key in chosen.dropped or key not in present else "feature",
            reason=chosen.dropped.get(key, "numbers the rows" if key not in present else ""),
            leakage=suspects.get(key, "").replace("{}", name),
        )
        for key, report in table.reports.items()
    }
    notes = [*found.notes, *duplicates(rows, hashes), *(f"Target {name!r}: {remark}" for remark in target.remarks)]
    update = {"target": name, "notes": notes, "target_is_guess": bool(guess), "task": target.task, "warnings": warnings}
    return roles, found.model_copy(update=update)


def _without_role(report: ColumnReport) -> PreviewColumn:
    if report.kind == "skipped":
        return PreviewColumn(report=report, role="dropped", reason="numbers the rows")
    return PreviewColumn(report=report, role="unknown")


def main() -> int:
    """Answer the request on stdin with one line of JSON."""
    request = PreviewRequest.model_validate_json(sys.stdin.buffer.read())
    try:
        result = PreviewResult(preview=preview(request))
    except DataError as problem:
        result = PreviewResult(problem=problem.as_dict())
    except OSError as error:
        disk = disk_problem(error, (request.scratch, *{file.path.parent for file in request.files}))
        if disk is None:
            raise
        result = PreviewResult(problem=disk.as_dict())
    sys.stdout.write(json.dumps(result.model_dump(mode="json")) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
