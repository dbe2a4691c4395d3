"""The statistics of preparation, fitted on training rows with scikit-learn, one column at a time in float64."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from pipeline.core.params import Params
from pipeline.features.profile import MAX_CATEGORIES, count_categories
from pipeline.ingest.columns import TextColumn

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

PROBED_ROWS: Final = 10_000  # training rows that show whether scaling keeps values distinct
PROBED_VALUES: Final = 256  # of their distinct values, evenly by rank: no tree sees more of a column
MIN_KEPT_SHARE: Final = 0.95  # of these that must stay distinct
ONE_HOT_MAX: Final = 12  # trees split one code faster than many indicator columns; a linear model needs indicators


@dataclass(frozen=True)
class NumberFit:
    """Imputation and scaling of the raw numbers, followed by the derived ones.

    scaled = (value - subtract) / divide, or value * multiply + add for min_max; all arrays [number of columns].
    `indicated` are the positions of the columns that get a missing indicator; `merged` those of columns whose
    values the chosen scaling would make equal, because a few are huge.
    """

    fill: Floats
    form: Literal["none", "subtract_divide", "multiply_add"]
    first: Doubles
    second: Doubles
    indicated: list[int]
    merged: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class TextFit:
    """The categories of a column that the model knows, most frequent first; "" among them if some were missing.

    `place` is the column's position in the graph's text input.
    """

    name: str
    known: list[str]
    one_hot: bool
    place: int = 0


def fit_numbers(
    n_raw: int,
    n_columns: int,
    column: Callable[[int], Floats],
    params: Params,
    *,
    also_indicated: Collection[int] = (),
) -> NumberFit:
    """Fit imputation and scaling of `n_columns` columns, of which `column(i)` gives the training rows.

    The first `n_raw` and those of `also_indicated` get a missing indicator where values are missing, if the parameters ask
    for it.

    A derived column without any value in the training rows is filled with 0. A column of which a few values are so
    huge that float32 would make the others equal is scaled by its quartiles, but not for a linear model, whose fit a
    huge scaled value would ruin.
    """
    fill = np.zeros(n_columns, dtype=np.float32)
    first, second = np.zeros(n_columns), np.ones(n_columns)
    indicated, merged = [], []
    for i in range(n_columns):
        values = column(i).astype(np.float64).reshape(-1, 1)
        missing = np.isnan(values)
        if missing.all():
            continue
        imputer = SimpleImputer(strategy=params.imputation).fit(values)
        fill[i] = np.float32(imputer.statistics_[0])
        if params.missing_indicator and (i < n_raw or i in also_indicated) and missing.any():
            indicated.append(i)
        # The scaler sees what the graph sees: the fill rounded to float32.
        values[missing] = fill[i]
        first[i], second[i] = _scaling(values, params.scaling)
        if params.scaling in ("standard", "min_max") and _merges(values, params.scaling, first[i], second[i]):
            merged.append(i)
            if params.estimator != "linear":
                center, width = _scaling(values, "robust")
                by_product = params.scaling == "min_max"
                first[i], second[i] = (1 / width, -center / width) if by_product else (center, width)
    form: Literal["none", "subtract_divide", "multiply_add"] = "subtract_divide"
    if params.scaling in ("none", "min_max"):
        form = "none" if params.scaling == "none" else "multiply_add"
    return NumberFit(fill, form, first, second, indicated, merged)


def fit_text(column: TextColumn, train: npt.NDArray[np.bool_], params: Params, place: int = 0) -> TextFit:
    """Return the MAX_CATEGORIES most frequent categories of the training rows; others are treated as unknown."""
    counts, n_missing = count_categories(column, train)
    known = [text for text, _ in counts[:MAX_CATEGORIES]] + [""] * (n_missing > 0)
    return TextFit(column.name, known, params.estimator == "linear" or len(known) <= ONE_HOT_MAX, place)


def _merges(values: Doubles, scaling: str, first: float, second: float) -> bool:
    """Return True if scaling makes distinct values equal in float32."""
    sample = np.unique(values[:: max(1, len(values) // PROBED_ROWS)])
    sample = sample[np.unique(np.linspace(0, len(sample) - 1, PROBED_VALUES).astype(np.intp))]
    scaled = sample * first + second if scaling == "min_max" else (sample - first) / second
    return len(np.unique(scaled.astype(np.float32))) < MIN_KEPT_SHARE * len(sample)


def _scaling(values: Doubles, scaling: str) -> tuple[float, float]:
    if scaling == "standard":
        standard = StandardScaler().fit(values)
        return float(standard.mean_[0]), float(standard.scale_[0])
    if scaling == "robust":
        robust = RobustScaler().fit(values)
        return float(robust.center_[0]), float(robust.scale_[0])
    if scaling == "min_max":
        min_max = MinMaxScaler().fit(values)
        return float(min_max.scale_[0]), float(min_max.min_[0])
    return 0.0, 1.0
