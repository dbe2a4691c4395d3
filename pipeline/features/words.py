"""Counts the words of a text column."""

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer

from pipeline.ingest.columns import FreeTextColumn

MIN_WORD_ROWS: Final = 5


def word_counts(column: FreeTextColumn, rows: npt.NDArray[np.intp]) -> tuple[csr_matrix, list[str]]:
    """Return which word is in which of the rows, float64 [rows, words] of 0 and 1, and the words.

    Left out are words of fewer than MIN_WORD_ROWS rows, and of all.
    """
    codes = column.codes[rows]
    present, places = np.unique(codes, return_inverse=True)
    texts = [column.labels[code] if code >= 0 else "" for code in present.tolist()]
    vectorizer = CountVectorizer(analyzer=str.split, binary=True, dtype=np.float64)
    try:
        by_text = vectorizer.fit_transform(texts)
    except ValueError:  # there is no word at all
        return csr_matrix((len(rows), 0)), []
    counts = by_text[places]
    n_rows = np.asarray(counts.sum(axis=0)).ravel()
    kept = np.flatnonzero((n_rows >= MIN_WORD_ROWS) & (n_rows < len(rows)))
    words = vectorizer.get_feature_names_out()[kept].tolist()
    return counts[:, kept], words
