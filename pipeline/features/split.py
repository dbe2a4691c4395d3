"""Splits rows into training, validation and test sets, by a hash of each row's own content.

A row never changes sets, however the file grows, in whatever order its rows and columns come, and on every version of
Python and numpy. Equal rows are in the same set, so no row of the test set was seen in training.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.features.problems import TooFewRowsError
from pipeline.ingest.columns import Column, Hashes

VALIDATION_SHARE: Final = 0.15  # of the training rows
_BLOCK_ROWS: Final = 262_144

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Split:
    """Masks over the rows of the table. Validation rows are training rows: `test & validation` is empty."""

    test: Mask
    validation: Mask


def row_hashes(columns: Iterable[Column], n_rows: int) -> Hashes:
    """Return one hash per row, of the values under their names; the order of the columns does not matter."""
    total = np.zeros(n_rows, dtype=np.uint64)
    for column in columns:
        key = _key(f"column {column.name}")
        values = column.hashes()
        for start in range(0, n_rows, _BLOCK_ROWS):  # in blocks, which takes a quarter of the time and no extra memory
            block = slice(start, start + _BLOCK_ROWS)
            total[block] += _mix(values[block] + key)
    return total


def split(hashes: Hashes, test_share: float) -> Split:
    """Return the test set, a share `test_share` of the rows, and the validation set, VALIDATION_SHARE of the others."""
    test = test_mask(hashes, test_share)
    return Split(test=test, validation=_below(hashes, "validation", VALIDATION_SHARE) & ~test)


def test_mask(hashes: Hashes, test_share: float) -> Mask:
    """Return the rows that belong to the test set."""
    return _below(hashes, "test", test_share)


def check_split(chosen: Split, hashes: Hashes, codes: npt.NDArray[np.int64] | None, classes: list[str]) -> list[str]:
    """Return warnings about classes, of three or more, without any test row: they cannot be evaluated.

    Raises DataError DATA-14 if a set has hardly a row, if a class is absent from the training rows, or if one of two
    classes is absent from the test rows or from the validation rows, which choose the threshold. `hashes` are those of
    `row_hashes`; `codes` are positions in `classes`, one per row; None for regression.
    """
    sets = {
        "test": chosen.test,
        "validation": chosen.validation,
        "training": ~chosen.test & ~chosen.validation,
    }
    warnings = []
    for name, mask in sets.items():
        n_rows = int(mask.sum())
        if n_rows < 2:
            raise _too_few(f"The {name} set gets only {n_rows} of {len(mask)} rows.", hashes)
        if codes is None or (name == "validation" and len(classes) > 2):
            continue
        counts = np.bincount(codes[mask], minlength=len(classes))
        for label in (label for label, count in zip(classes, counts, strict=True) if count == 0):
            n_class = int((codes == classes.index(label)).sum())
            if name == "training" or len(classes) == 2:
                raise _too_few(
                    f"The {name} set has no row of class {label!r}, of which the table has {n_class}.", hashes
                )
            warnings.append(
                f"None of the {n_class} rows of class {label!r} is in the test set: the class is trained on, but not "
                "evaluated."
            )
    return warnings


def _too_few(why: str, hashes: Hashes) -> TooFewRowsError:
    return TooFewRowsError(why, n_rows=len(hashes), n_distinct=len(np.unique(hashes)))


def _below(hashes: Hashes, salt: str, share: float) -> Mask:
    limit = np.uint64(min(round(share * 2**64), 2**64 - 1))
    key = _key(f"side {salt}")
    below = np.empty(len(hashes), dtype=np.bool_)
    for start in range(0, len(hashes), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        below[block] = _mix(hashes[block] ^ key) < limit
    return below


def _key(text: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little"))


def _mix(values: Hashes) -> Hashes:
    """Return the finalizer of splitmix64: each input bit changes about half of the output bits."""
    mixed = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
