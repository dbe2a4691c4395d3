"""Decides which features of the date columns a model gets, from the training rows."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.features.date_graph import DateFit, difference_names
from pipeline.features.graph import date_graph
from pipeline.features.job import Job
from pipeline.ingest.columns import DateColumn
from pipeline.onnx.session import Graph, RawRows

EPOCH_DAY: Final = datetime(1970, 1, 1).toordinal()  # noqa: DTZ001 - dates of a table have no zone

Floats = npt.NDArray[np.float32]


def fit_dates(job: Job) -> tuple[list[DateFit], Callable[[int], Floats]]:
    """Return the features of each date column, without those that are the same in all training rows, and a function that
    gives the training rows of feature `i` of them all, the days between dates last.
    """
    places = [place for place, column in enumerate(job.texts) if isinstance(column, DateColumn)]
    fits: list[DateFit] = []
    parts: list[tuple[npt.NDArray[np.int32], Floats]] = []
    for place in places:
        column = job.texts[place]
        codes = column.codes[job.train]
        used = np.unique(codes[codes >= 0])
        earliest = min(column.labels[code] for code in used.tolist())
        whole = DateFit(
            column.name,
            0,
            cyclic=job.params.estimator == "linear",
            first_day=datetime.fromisoformat(earliest).toordinal() - EPOCH_DAY,
        )
        values = _of_labels(whole, column.labels)
        varies = [len(np.unique(values[used, i])) > 1 for i in range(len(whole.parts))]
        kept = tuple(part for part, does_vary in zip(whole.parts, varies, strict=True) if does_vary)
        fit = DateFit(column.name, place, kept, whole.cyclic, whole.first_day)
        columns = [whole.outputs.index(name) for name in fit.outputs]
        fits.append(fit)
        parts.append((codes, values[:, columns]))
    return fits, _values_of(fits, parts, job)


def _of_labels(fit: DateFit, labels: list[str]) -> Floats:
    """Return the features of each label, and of a missing one below: by the same graph that will serve."""
    texts = np.array([[label] for label in [*labels, ""]], dtype=object)
    no_numbers = np.empty((len(texts), 0), dtype=np.float32)
    return Graph(date_graph([fit], 1)).run(RawRows(no_numbers, texts))


def _values_of(
    fits: list[DateFit], parts: list[tuple[npt.NDArray[np.int32], Floats]], job: Job
) -> Callable[[int], Floats]:
    places = [(date, part) for date, fit in enumerate(fits) for part in range(len(fit.outputs))]
    pairs = [names for _, names in difference_names(fits)]
    by_name = {fit.name: i for i, fit in enumerate(fits)}

    def values(i: int) -> Floats:
        if i < len(places):
            date, part = places[i]
            codes, of_labels = parts[date]
            column: Floats = of_labels[codes, part]
            return column
        first, second = (by_name[name] for name in pairs[i - len(places)])
        return (_days(fits[second], job) - _days(fits[first], job)).astype(np.float32)

    return values


def _days(fit: DateFit, job: Job) -> npt.NDArray[np.float64]:
    """Return the days since 1970 of the training rows, NaN where the date is missing."""
    column = job.texts[fit.place]
    moments = np.array([*column.labels, "NaT"], dtype="datetime64[s]")
    seconds = moments.astype(np.int64).astype(np.float64)
    seconds[-1] = np.nan
    return np.asarray((seconds / 86_400)[column.codes[job.train]])
