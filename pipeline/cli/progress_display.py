"""The terminal display of a run: a progress bar per stage, their log above it, a table at the end."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from pipeline.core.metric_labels import metric_label
from pipeline.core.params import choice_title
from pipeline.core.problems import ProblemError
from pipeline.core.stage import StageName, TrainResult

STYLES = {"debug": "dim", "info": "", "warning": "yellow", "error": "red"}


class ProgressDisplay:
    """Shows the events of stages; pass it to `pipeline.core.events.Events` as the stream.

    Debug lines are shown only with `verbose`. `problem` is the problem of a stage that failed.
    """

    def __init__(self, console: Console, stages: Iterable[StageName], *, verbose: bool = False) -> None:
        self.problem: ProblemError | None = None
        self._verbose = verbose
        self._stage: StageName | None = None
        self._progress = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description:<13}"),
            BarColumn(bar_width=28),
            TimeElapsedColumn(),
            TextColumn("{task.fields[label]}", style="dim"),
            console=console,
        )
        self._tasks: dict[StageName, TaskID] = {
            stage: self._progress.add_task(stage, start=False, visible=False, total=1, label="") for stage in stages
        }

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def start(self, stage: StageName) -> None:
        """Show the bar of this stage; the events that follow are its."""
        self._stage = stage
        self._progress.update(self._tasks[stage], visible=True)
        self._progress.start_task(self._tasks[stage])

    def finish(self) -> None:
        """Mark the current stage as done."""
        self._update(completed=1, total=1, label="")
        if self._stage is not None:
            self._progress.stop_task(self._tasks[self._stage])

    def write(self, line: str) -> int:
        """Show one event line, as `Events` writes it, and return its length."""
        event = json.loads(line)
        kind = event["event"]
        if kind == "log" and (self._verbose or event["level"] != "debug"):
            self._progress.console.print(Text(event["text"], style=STYLES[event["level"]]))
        elif kind == "progress":
            self._update(completed=event["done"], total=event["total"], label=event["label"])
        elif kind == "error":
            self.problem = ProblemError.restore(event)
        return len(line)

    def flush(self) -> None:
        """Do nothing: every line is shown at once."""

    def _update(self, *, completed: float, total: float, label: str) -> None:
        if self._stage is not None:
            self._progress.update(self._tasks[self._stage], completed=completed, total=total, label=label)


def show_problem(console: Console, problem: ProblemError) -> None:
    """Print what, why, fix and command, one line each."""
    console.print(Text.assemble((problem.id, "bold red"), f"  {problem.what}"))
    for label, text in (("why", problem.why), ("fix", problem.fix), ("try", problem.command)):
        if text:
            console.print(Text.assemble((f"  {label}: ", "dim"), text))


def show_summary(console: Console, result: TrainResult, bundle: Path, duration_s: float) -> None:
    """Print the metrics beside the baseline's, the verdict, and the path of the bundle."""
    table = Table(title=f"{choice_title(result.estimator)}, {result.task}", title_justify="left", title_style="bold")
    table.add_column("Metric on test rows")
    table.add_column("Model", justify="right")
    table.add_column("Baseline", justify="right")
    for name, value in result.metrics.items():
        style = "bold" if name == result.primary_metric else ""
        baseline = result.baseline.get(name)
        table.add_row(metric_label(name), f"{value:.4f}", "" if baseline is None else f"{baseline:.4f}", style=style)
    console.print(table)
    facts = {
        "threshold": "" if result.threshold is None else f"{result.threshold:.4f}",
        "verdict": result.verdict.reason,
        "digest": result.digest[:16],
        "bundle": str(bundle),
        "time": f"{duration_s:.1f} s, of which {result.compute_s['fit']:.1f} s fitting",
    }
    for label, text in facts.items():
        if text:
            console.print(Text.assemble((f"{label:>10}  ", "dim"), text), soft_wrap=True)
