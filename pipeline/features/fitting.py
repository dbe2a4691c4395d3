"""The statistics of preparation, fitted on training rows with scikit-learn, one column at a time in float64."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from pipeline.core.params import Params
from pipeline.features.profile import count_categories
from pipeline.ingest.columns import TextColumn

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

MAX_CATEGORIES: Final = 50
PROBED_ROWS: Final = 10_000  # training rows that tell whether scaling keeps values apart
PROBED_VALUES: Final = 256  # of their different values, evenly by rank: no tree sees more of a column
MIN_KEPT_SHARE: Final = 0.95  # of these
ONE_HOT_MAX: Final = 12  # trees split a code faster than many indicator columns; a linear model needs indicators


@dataclass(frozen=True)
class NumberFit:
    """For the raw numbers and behind them the derived ones: what a missing value becomes, and the scaling.

    scaled = (value - subtract) / divide, or value * multiply + add for min_max; all arrays [number of columns].
    `indicated` are the positions of the raw columns that get a missing indicator; `merged` those of columns whose
    values the asked-for scaling would not keep apart, because a few are huge.
    """

    fill: Floats
    form: Literal["none", "subtract_divide", "multiply_add"]
    first: Doubles
    second: Doubles
    indicated: list[int]
    merged: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class TextFit:
    """The texts of a column that the model knows, most frequent first; "" among them if some were missing."""

    name: str
    known: list[str]
    one_hot: bool


def fit_numbers(n_raw: int, n_columns: int, column: Callable[[int], Floats], params: Params) -> NumberFit:
    """Fit imputation and scaling of `n_columns` columns, of which `column(i)` gives the training rows.

    A derived column without any value in the training rows is filled with 0. A column of which a few values are so
    huge that float32 could not tell the others apart is scaled by its quartiles, but not for a linear model, which a
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
        if params.missing_indicator and i < n_raw and missing.any():
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


def fit_text(column: TextColumn, train: npt.NDArray[np.bool_], params: Params) -> TextFit:
    """The MAX_CATEGORIES most frequent texts of the training rows; the others are treated like unseen ones."""
    counted, missing = count_categories(column, train)
    known = [text for text, _ in counted[:MAX_CATEGORIES]] + [""] * (missing > 0)
    return TextFit(column.name, known, params.estimator == "linear" or len(known) <= ONE_HOT_MAX)


def _merges(values: Doubles, scaling: str, first: float, second: float) -> bool:
    """Whether scaling makes different values equal in float32."""
    some = np.unique(values[:: max(1, len(values) // PROBED_ROWS)])
    some = some[np.unique(np.linspace(0, len(some) - 1, PROBED_VALUES).astype(np.intp))]
    scaled = some * first + second if scaling == "min_max" else (some - first) / second
    return len(np.unique(scaled.astype(np.float32))) < MIN_KEPT_SHARE * len(some)


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
