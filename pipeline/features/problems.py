"""Problems with a table, or with parameters that do not suit it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from pipeline.core.problems import DataError, InvalidParamsError
from pipeline.core.sentences import listed

MAX_COLUMNS_LISTED: Final = 60


class AmbiguousTargetError(InvalidParamsError):
    """It is not clear which column to predict.

    No column, or more than one, has a common target name (`target`, `label`, `class`, `y`, `outcome`, `response`,
    `SeriousDlqin2yrs`). The message lists the columns; set the parameter `target`.
    """

    id = "DATA-10"

    def __init__(self, candidates: Sequence[str], columns: Sequence[str]) -> None:
        have = f"{' and '.join(map(repr, candidates))} have" if candidates else "No column has"
        super().__init__(
            "It is not clear which column to predict.",
            why=f"{have} a common target name. The columns are {listed(columns, MAX_COLUMNS_LISTED)}.",
            fix="Set the parameter “target”.",
        )


class UnknownTargetError(InvalidParamsError):
    """The target column does not exist.

    The parameter `target` names a column that the table does not have. The message lists those that it has.
    """

    id = "DATA-11"

    def __init__(self, target: str, columns: Sequence[str]) -> None:
        super().__init__(
            f"There is no column {target!r} to predict.",
            why=f"The columns are {listed(columns, MAX_COLUMNS_LISTED)}.",
            fix="Set the parameter “target” to one of them.",
        )


class ConstantTargetError(InvalidParamsError):
    """The target does not vary.

    All rows have the same target, or none has one. There is nothing to learn; choose another target or another table.
    """

    id = "DATA-12"

    def __init__(self, target: str, labels: Sequence[str], n_present: int, n_rows: int) -> None:
        super().__init__(
            f"The target {target!r} has {'only the value ' + repr(labels[0]) if labels else 'no value'}.",
            why=f"{n_present:,} of {n_rows:,} rows have a target, and a model needs at least two different ones.",
            fix="Choose another target or another table.",
        )


class UnfitTargetError(InvalidParamsError):
    """The target does not fit the task.

    For example regression on text, a binary task on three classes, more than 100 classes, or a target of dates. Choose
    another target or set the parameter `task`.
    """

    id = "DATA-13"

    def __init__(self, target: str, why: str) -> None:
        super().__init__(
            f"The target {target!r} does not fit the task.",
            why=why,
            fix="Choose another target, or set the parameter “task”.",
        )


class TooFewRowsError(DataError):
    """There are too few rows.

    The split by the rows' content leaves a set with almost no rows, a class without a row in the training set, or one
    of two classes without a row in the test or validation set. Equal rows stay in one set, so a table that repeats few
    rows may be split unevenly. Add rows, merge or drop rare classes, or change the test share.
    """

    id = "DATA-14"

    def __init__(self, why: str, n_rows: int, n_distinct: int) -> None:
        repeated = f" Equal rows stay in one set, and only {n_distinct:,} of {n_rows:,} rows are distinct."
        super().__init__(
            "There are too few rows to train and test on.",
            why=why + (repeated if 2 * n_distinct < n_rows else ""),
            fix="Add rows, merge or drop rare classes, or change the test share.",
        )


class NoFeatureError(InvalidParamsError):
    """No column is left to predict from.

    Every column is ignored, constant, empty or an identifier. The message gives the reason for each.
    """

    id = "DATA-15"

    def __init__(self, dropped: Mapping[str, str]) -> None:
        super().__init__(
            "No column is left to predict from.",
            why="; ".join(f"{name}: {reason}" for name, reason in list(dropped.items())[:10]) + "."
            if dropped
            else "The table has no column but the target and row numbers.",
            fix="Use a table with columns that differ from row to row, or ignore fewer columns.",
        )


class LostColumnsError(DataError):
    """The table has lost columns that the live model uses.

    A column is gone, or was a number and is text now (or the reverse), or the target is of another kind. The live model
    stays. Restore the column; if it was removed on purpose, name it in the parameter `ignore`; if the target changed on
    purpose, set the parameter `task`. A table with another target, or with hardly a column of the live model, counts as
    another table and is accepted; with another target its model goes live only when somebody promotes it.
    """

    id = "DATA-16"

    def __init__(self, version: int, gone: Sequence[str], changed: Sequence[str]) -> None:
        parts = [f"{len(gone)} gone: {', '.join(map(repr, gone[:8]))}"] * bool(gone)
        parts += [f"{len(changed)} changed type: {', '.join(changed[:8])}"] * bool(changed)
        super().__init__(
            f"The table has lost columns that the live model (version {version}) uses.",
            why=f"{'; '.join(parts)}.",
            fix="Restore them or, if this is intended, name them in the parameter “ignore” (for the target, set “task”).",
        )


class ExpressionError(InvalidParamsError):
    """A derived feature cannot be parsed.

    Each line has the form `Name = expression` with `+ - * / ( )`, numbers, columns, abs, sqrt and log1p of one value,
    and min and max of two. Put column names with spaces or symbols in backticks.
    """

    id = "DATA-20"

    def __init__(self, declaration: str, why: str) -> None:
        super().__init__(
            f"The derived feature {declaration.strip()[:120]!r} cannot be parsed.",
            why=why,
            fix="Write “Name = expression” with + - * / ( ) and abs, sqrt, log1p, min, max; put names with spaces or "
            "symbols in backticks.",
        )


class UnusableOperandError(InvalidParamsError):
    """A derived feature uses a column that it cannot use.

    The table has no such column, it is not numeric, or it was left out. The message lists the numeric columns.
    """

    id = "DATA-21"

    def __init__(self, feature: str, column: str, why: str, numeric: Iterable[str]) -> None:
        super().__init__(
            f"The derived feature {feature!r} uses {column!r}.",
            why=f"{why}. Numeric columns: {', '.join(sorted(numeric)[:30])}.",
            fix="Correct the name; put names with spaces or symbols in backticks.",
        )


class FeatureNameTakenError(InvalidParamsError):
    """The name of a derived feature is taken.

    A column or another derived feature has the same name. Choose another one.
    """

    id = "DATA-22"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The name {name!r} is taken.",
            why="A column or another derived feature has the same name.",
            fix="Choose another name for the derived feature.",
        )


class ProcessedDatasetGoneError(DataError):
    """The processed data set no longer exists.

    `data/processed` keeps the three newest sets. Run the pipeline again from its first stage.
    """

    id = "DATA-30"

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"The processed data set {folder.name} no longer exists.",
            why="Only the newest ones are kept, or its files were changed.",
            fix="Run the pipeline again from its first stage.",
        )
