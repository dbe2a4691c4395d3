"""Decides which features of the date columns a model gets, from the training rows."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pipeline.features.date_graph import DateFit, difference_names
from pipeline.features.graph import date_graph
from pipeline.features.job import Job
from pipeline.ingest.columns import SECONDS_PER_DAY, DateColumn, Moments, moment_texts
from pipeline.onnx.session import Graph, RawRows

Floats = npt.NDArray[np.float32]


def fit_dates(job: Job) -> tuple[list[DateFit], Callable[[int], Floats]]:
    """Return the features of each date column, without those that are the same in all training rows, and a function that
    gives the training rows of feature `i` of them all, the days between dates last.
    """
    fits: list[DateFit] = []
    parts: list[Callable[[int], Floats]] = []
    days: dict[str, npt.NDArray[np.float64]] = {}
    for place, column in enumerate(job.texts):
        if not isinstance(column, DateColumn):
            continue
        moments = column.moments[job.train]
        # Each moment once; NaT is the last, and its codes are all of missing rows.
        distinct, codes = np.unique(moments, return_inverse=True)
        present = distinct[~np.isnat(distinct)]
        whole = DateFit(
            column.name,
            0,
            cyclic=job.params.estimator == "linear",
            first_day=int(present[0].astype("datetime64[D]").astype(np.int64)),
        )
        values = _features(whole, distinct)
        of_present = values[: len(present)]
        varies = (of_present != of_present[:1]).any(axis=0).tolist()
        kept = tuple(part for part, does_vary in zip(whole.parts, varies, strict=False) if does_vary)
        fit = DateFit(column.name, place, kept, whole.cyclic, whole.first_day)
        fits.append(fit)
        parts.append(_by_row(values[:, [whole.outputs.index(name) for name in fit.outputs]], codes))
        days[column.name] = np.where(np.isnat(moments), np.nan, moments.astype(np.int64) / SECONDS_PER_DAY)
    return fits, _values_of(fits, parts, days)


def _by_row(values: Floats, codes: npt.NDArray[np.intp]) -> Callable[[int], Floats]:
    def column(i: int) -> Floats:
        of_rows: Floats = values[codes, i]
        return of_rows

    return column


def _features(fit: DateFit, moments: Moments) -> Floats:
    """Return the features of each moment, by the same graph that will serve."""
    texts = moment_texts(moments)[:, None]
    return Graph(date_graph([fit], 1)).run(RawRows(np.empty((len(texts), 0), dtype=np.float32), texts))


def _values_of(
    fits: list[DateFit], parts: list[Callable[[int], Floats]], days: dict[str, npt.NDArray[np.float64]]
) -> Callable[[int], Floats]:
    places = [(date, part) for date, fit in enumerate(fits) for part in range(len(fit.outputs))]
    pairs = [names for _, names in difference_names(fits)]

    def values(i: int) -> Floats:
        if i < len(places):
            date, part = places[i]
            return parts[date](part)
        first, second = pairs[i - len(places)]
        return (days[second] - days[first]).astype(np.float32)

    return values
