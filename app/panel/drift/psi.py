"""The one rule for drift: the population stability index of counts against counts. Pure.

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
    """The index of two equally long lists of counts; None where either has no rows. 0 means the same shares."""
    if len(reference) != len(live):
        raise ValueError(f"{len(reference)} and {len(live)} bins")
    n_reference, n_live = sum(reference), sum(live)
    if n_reference <= 0 or n_live <= 0:
        return None
    total = 0.0
    for expected, found in zip(reference, live, strict=True):
        p = max(expected / n_reference, SMALLEST_SHARE)
        c = max(found / n_live, SMALLEST_SHARE)
        total += (c - p) * math.log(c / p)
    return total


def chance(reference: Sequence[float], live: Sequence[float]) -> float:
    """What the index is on average between two samples of the same rows; 0 where either has none.

    With a few hundred rows this is far below any threshold, with 80 training rows it is more than half of the usual
    one: small tables would drift without anything having changed.
    """
    n_reference, n_live = sum(reference), sum(live)
    return (len(reference) - 1) * (1 / n_reference + 1 / n_live) if n_reference > 0 and n_live > 0 else 0.0


def joined(reference: Sequence[float], live: Sequence[float]) -> tuple[list[float], list[float]]:
    """Neighbouring bins added up until each holds BIN_SHARE of the reference.

    A bin that holds as much by itself stays alone, and what is left at either side of it is a bin too: beside a value
    that nearly all rows have, the rare ones would otherwise disappear.
    """
    enough = BIN_SHARE * sum(reference)
    wide_reference: list[float] = []
    wide_live: list[float] = []
    expected = found = 0.0
    for p, c in zip(reference, live, strict=True):
        if p >= enough and (expected > 0 or found > 0):
            wide_reference.append(expected)
            wide_live.append(found)
            expected = found = 0.0
        expected, found = expected + p, found + c
        if expected >= enough:
            wide_reference.append(expected)
            wide_live.append(found)
            expected = found = 0.0
    if expected > 0 or found > 0:
        wide_reference.append(expected)
        wide_live.append(found)
    return wide_reference, wide_live
