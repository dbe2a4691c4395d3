"""Tells texts of several words, such as reviews and names, from categories and from identifiers."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.core.cells import MAX_READ_CHARACTERS, PLAIN, Reading, read_text
from pipeline.ingest.identifiers import is_named_like_identifier

MIN_DISTINCT: Final = 50  # fewer texts are categories
IDENTIFIER_SHARE: Final = 0.5  # of the rows have a text that no other row has
RARE_SHARE: Final = 0.2  # of the rows, which the MIN_DISTINCT most frequent texts do not even cover
PROBED_TEXTS: Final = 5_000
MIN_WORD_TEXTS: Final = 5  # that share a word before it says something
MIN_WORD_SHARE: Final = 0.001
MAX_WORD_SHARE: Final = 0.95  # a word of nearly all texts says nothing: ORD in ORD-00017
MIN_WORDS: Final = 3  # that several texts share
LONG_TEXT: Final = 8  # words on average; such texts may be of few different words, such as moves of a game

Counts = npt.NDArray[np.int64]


def are_many(counts: Counts) -> bool:
    """Return whether texts, each in so many rows, are too many and too rare to be categories."""
    if len(counts) <= MIN_DISTINCT:
        return False
    n_rows = int(counts.sum())
    frequent = int(np.sort(counts)[-MIN_DISTINCT:].sum())
    return len(counts) > IDENTIFIER_SHARE * n_rows or frequent < RARE_SHARE * n_rows


def are_texts(name: str, labels: Sequence[str]) -> bool:
    """Return whether the distinct texts of a column have words in common, as sentences and names of people have, and
    identifiers have not.
    """
    if is_named_like_identifier(name):
        return False
    probed = labels[:: max(1, len(labels) // PROBED_TEXTS)]
    texts = [read_text(label).split() for label in probed]
    n_texts = Counter(word for words in texts for word in set(words))
    are_long = sum(map(len, texts)) >= LONG_TEXT * len(texts)
    low, high = max(MIN_WORD_TEXTS, MIN_WORD_SHARE * len(probed)), (1.0 if are_long else MAX_WORD_SHARE) * len(probed)
    shared = sum(low <= n <= high and any(map(str.isalpha, word)) for word, n in n_texts.items())
    return shared >= MIN_WORDS


def parse(labels: Sequence[str], reading: Reading = PLAIN) -> tuple[list[str], list[str]]:
    """Return the words of each text, and what a person should know of the reading."""
    n_long = sum(len(label) > MAX_READ_CHARACTERS for label in labels)
    remarks = [f"only the first {MAX_READ_CHARACTERS:,} characters of a text are read"] if n_long else []
    return [read_text(label, reading) for label in labels], remarks
