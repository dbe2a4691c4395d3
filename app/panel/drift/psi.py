"""The rule for drift: the population stability index of two histograms. Pure.

PSI = sum over bins of (c - p) * ln(c / p), with p the share of training rows in a bin and c that of live rows
(S. Kullback's symmetric divergence; credit scoring calls it PSI and reads above 0.2 as a shift worth acting on). Bins
are joined until each holds a tenth of the training rows, because the index of many thin bins grows with their number,
not with the shift.
"""

import math
from collections.abc import Sequence
from typing import Final

BIN_SHARE: Final = 0.1
SMALLEST_SHARE: Final = 1e-4  # an empty bin would make the index infinite


def psi(reference: Sequence[float], live: Sequence[float]) -> float | None:
    """Return the index of two equally long lists of counts; None if either has no rows. 0 means equal shares."""
    if len(reference) != len(live):
        raise ValueError(f"{len(reference)} and {len(live)} bins")
    n_reference, n_live = sum(reference), sum(live)
    if n_reference <= 0 or n_live <= 0:
        return None
    total = 0.0
    for n_expected, n_actual in zip(reference, live, strict=True):
        p = max(n_expected / n_reference, SMALLEST_SHARE)
        c = max(n_actual / n_live, SMALLEST_SHARE)
        total += (c - p) * math.log(c / p)
    return total


def expected_by_chance(reference: Sequence[float], live: Sequence[float]) -> float:
    """Return the mean index between two samples of the same distribution; 0 if either has no rows.

    With a few hundred rows this is far below any threshold; with 80 training rows it is more than half of the usual
    one, and small tables would drift although nothing has changed.
    """
    n_reference, n_live = sum(reference), sum(live)
    return (len(reference) - 1) * (1 / n_reference + 1 / n_live) if n_reference > 0 and n_live > 0 else 0.0


def merge_bins(reference: Sequence[float], live: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return both histograms with neighbouring bins merged until each holds BIN_SHARE of the reference.

    A bin that holds as much by itself stays alone, and the rest at either side of it is a bin too: otherwise rare
    values would disappear beside one that nearly all rows have.
    """
    min_rows = BIN_SHARE * sum(reference)
    merged_reference: list[float] = []
    merged_live: list[float] = []
    n_expected = n_actual = 0.0
    for p, c in zip(reference, live, strict=True):
        if p >= min_rows and (n_expected > 0 or n_actual > 0):
            merged_reference.append(n_expected)
            merged_live.append(n_actual)
            n_expected = n_actual = 0.0
        n_expected, n_actual = n_expected + p, n_actual + c
        if n_expected >= min_rows:
            merged_reference.append(n_expected)
            merged_live.append(n_actual)
            n_expected = n_actual = 0.0
    if n_expected > 0 or n_actual > 0:
        merged_reference.append(n_expected)
        merged_live.append(n_actual)
    return merged_reference, merged_live
