"""Chooses the words of a text column that the model looks for, from the training rows."""

from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.feature_selection import f_classif, f_regression

from pipeline.features.graph import WordFit
from pipeline.features.job import Job
from pipeline.features.words import word_counts
from pipeline.ingest.columns import FreeTextColumn

PROBED_ROWS: Final = 20_000  # training rows among which words are compared
MAX_WORDS: Final = 300  # of a column
MIN_WORDS: Final = 10  # of a column, however long the table is
MAX_VALUES: Final = 20_000_000  # prepared ones of all words: 80 MB on disk, and some 300 MB in training


def fit_words(job: Job) -> list[WordFit]:
    """Return for each text column the words that tell most of the target alone, by the F test of each (scikit-learn), in
    alphabetical order.

    Rare words and those of all rows are left aside; validation rows are not looked at.
    """
    columns = [(place, column) for place, column in enumerate(job.texts) if isinstance(column, FreeTextColumn)]
    if not columns:
        return []
    n_rows = int(job.train.sum())
    n_words = min(MAX_WORDS, max(MIN_WORDS, MAX_VALUES // max(n_rows, 1) // len(columns)))
    rows = np.flatnonzero(job.train & ~job.split.validation)
    if len(rows) > PROBED_ROWS:
        rows = np.sort(np.random.default_rng(job.params.seed).choice(rows, PROBED_ROWS, replace=False))
    targets = job.target.values[rows]
    return [
        WordFit(column.name, place, _best(column, rows, targets, n_words, bool(job.target.classes)))
        for place, column in columns
    ]


def _best(
    column: FreeTextColumn, rows: npt.NDArray[np.intp], targets: npt.NDArray[np.generic], n_words: int, is_class: bool
) -> list[str]:
    counts, words = word_counts(column, rows)
    if not words or len(np.unique(targets)) < 2:
        return words[:n_words]
    scores, _ = (f_classif if is_class else f_regression)(counts, targets)
    scores = np.nan_to_num(np.asarray(scores, dtype=np.float64), posinf=np.finfo(np.float64).max)
    best = np.argsort(-scores, kind="stable")[:n_words]
    return sorted(words[i] for i in best.tolist())
