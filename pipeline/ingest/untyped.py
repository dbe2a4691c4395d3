"""A column of texts before its type is known, and what every type needs to know of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.core.cells import Reading, is_missing
from pipeline.core.params import ColumnOptions
from pipeline.core.sentences import plural
from pipeline.core.table_profile import Category, ColumnReport
from pipeline.ingest.columns import Column, Hashes, TextColumn

# A column of which fewer texts are of a type may be of it, too, if the rest are a few words that repeat: words for missing of
# its own.
TOKEN_SHARE: Final = 0.5
MAX_TOKENS: Final = 4
MIN_TOKEN_ROWS: Final = 2
MIN_VALUES: Final = 10  # distinct ones; fewer beside words are rather codes
MAX_MISSING_WORDS: Final = 50  # of a column, that are kept with the model
MAX_LISTED: Final = 20
MAX_SHOWN: Final = 3

NO_OPTIONS: Final = ColumnOptions()

Counts = npt.NDArray[np.int64]
Found = tuple[Column, ColumnReport]
Mask = npt.NDArray[np.bool_]
T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True)
class Circumstances:
    """What is known beside the texts of a column. `file_mark` is the decimal mark that other columns show, "" if none does.

    `is_target`: a frequent word for missing is a class, and spellings of a word are told apart by whoever makes classes.
    """

    options: ColumnOptions = NO_OPTIONS
    file_mark: str = ""
    delimiter: str = ","
    is_target: bool = False


@dataclass(frozen=True)
class UntypedColumn:
    """A column and its distinct `texts` that `words` does not read as missing, their places among all of its labels, and their
    row counts. Whoever types it puts sentences for the log into `warnings`.
    """

    column: TextColumn
    words: Reading
    circumstances: Circumstances
    warnings: list[str]
    texts: list[str]
    places: npt.NDArray[np.intp]
    counts: Counts

    @classmethod
    def of(
        cls, column: TextColumn, counts: Counts, words: Reading, circumstances: Circumstances, warnings: list[str]
    ) -> "UntypedColumn":
        """Return the column without the labels that `words` reads as missing; `counts` are the rows of each label."""
        present = [i for i, label in enumerate(column.labels) if counts[i] and not is_missing(label, words)]
        places = np.array(present, dtype=np.intp)
        return cls(column, words, circumstances, warnings, [column.labels[i] for i in present], places, counts[places])

    @property
    def name(self) -> str:
        """Return the column's name."""
        return self.column.name

    @property
    def options(self) -> ColumnOptions:
        """Return what a person decided about the column."""
        return self.circumstances.options

    @property
    def is_open(self) -> bool:
        """Return whether nobody has decided what the column is."""
        return self.options.kind == "auto"

    def n_rows(self, chosen: Mask) -> int:
        """Return how many rows have one of the chosen texts."""
        return int(self.counts[chosen].sum())

    def by_row(self, values: npt.NDArray[T], missing: T) -> npt.NDArray[T]:
        """Return the value of each row's text; `values` has one for each text."""
        table = np.full(len(self.column.labels) + 1, missing, dtype=values.dtype)
        table[self.places] = values
        return np.asarray(table[self.column.codes])

    def hashes(self, present: Mask) -> Hashes:
        """Return the hash of each row's text as it is written, 0 where it is missing."""
        return np.where(present, self.column.hashes(), np.uint64(0))

    def have_tokens(self, unread: Mask, n_read: int, n_values: int) -> bool:
        """Return whether the texts that are `unread` are a few words that repeat beside many values."""
        words = [self.texts[i] for i in np.flatnonzero(unread).tolist()]
        repeat = bool((self.counts[unread] >= MIN_TOKEN_ROWS).all())
        plain = not any(character.isdigit() for word in words for character in word)
        is_enough = n_read >= TOKEN_SHARE * (n_read + self.n_rows(unread)) and n_values >= MIN_VALUES
        return 0 < len(words) <= MAX_TOKENS and repeat and plain and is_enough

    def with_words_for_missing(self, reading: Reading, unread: Mask) -> Reading:
        """Return a reading by which the texts that are `unread` are missing, in requests, too.

        Where there are too many of them, each is an error there.
        """
        odd = [word for word, _ in self._by_count(unread)]
        words = (*self.words.missing, *odd) if len(odd) <= MAX_MISSING_WORDS else self.words.missing
        return replace(reading, missing=tuple(dict.fromkeys(words)), kept=self.words.kept)

    def say_unread(self, unread: Mask, one: str, many: str) -> list[Category]:
        """Warn of texts that count as missing, each `one` of `many`, and return them for the report."""
        odd = self._by_count(unread)
        if odd:
            examples = ", ".join(
                repr(text) + (f" {count:,} times" if count > 1 else "") for text, count in odd[:MAX_SHOWN]
            )
            n_rows = sum(count for _, count in odd)
            self.warnings.append(f"Column {self.name!r}: {plural(n_rows, one, many)} treated as missing ({examples}).")
        return counted(odd)

    def _by_count(self, chosen: Mask) -> list[tuple[str, int]]:
        pairs = [(self.texts[i], int(self.counts[i])) for i in np.flatnonzero(chosen).tolist()]
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))


def counted(pairs: Sequence[tuple[str, int]]) -> list[Category]:
    """Return the first texts with their numbers of rows, as a report has them."""
    return [Category(value=value[:200], count=count) for value, count in pairs[:MAX_LISTED]]
