"""The index of two lists of counts."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.panel.drift.psi import expected_by_chance, merge_bins, psi

COUNTS = st.lists(st.integers(0, 10_000), min_size=1, max_size=40)


def test_index_is_zero_when_shares_are_equal() -> None:
    assert psi([10, 30, 60], [100, 300, 600]) == pytest.approx(0)


def test_index_is_the_formula_when_shares_differ() -> None:
    expected = (0.8 - 0.5) * math.log(0.8 / 0.5) + (0.2 - 0.5) * math.log(0.2 / 0.5)
    assert psi([50, 50], [80, 20]) == pytest.approx(expected)


def test_index_is_finite_when_a_bin_is_empty() -> None:
    index = psi([100, 0], [0, 100])
    assert index is not None
    assert math.isfinite(index)
    assert index > 5


def test_index_is_unknown_when_there_are_no_rows() -> None:
    assert psi([1, 2], [0, 0]) is None
    assert psi([0, 0], [1, 2]) is None


def test_index_is_refused_when_bins_do_not_match() -> None:
    with pytest.raises(ValueError, match="1 and 2 bins"):
        psi([1], [1, 2])


@given(COUNTS, st.randoms(use_true_random=False))
def test_no_row_is_lost_when_bins_are_merged(reference: list[int], random: object) -> None:
    live = [count // 2 + 1 for count in reference]
    wide_reference, wide_live = merge_bins(reference, live)
    assert sum(wide_reference) == sum(reference)
    assert sum(wide_live) == sum(live)
    assert len(wide_reference) == len(wide_live) <= 21


def test_each_bin_holds_a_tenth_when_bins_are_merged() -> None:
    wide, _ = merge_bins([1] * 1000, [1] * 1000)
    assert wide == [100.0] * 10


def test_rare_values_stay_apart_when_nearly_all_rows_have_another() -> None:
    wide, _ = merge_bins([2, 95, 2, 1], [0, 50, 25, 25])
    assert wide == [2, 95, 3]


@pytest.mark.parametrize(("n_reference", "n_live"), [(300, 500), (1000, 500), (100_000, 2000)])
def test_index_is_what_chance_makes_of_it_when_nothing_has_changed(n_reference: int, n_live: int) -> None:
    rng = np.random.default_rng(1)
    shares = np.full(10, 0.1)
    pairs = [
        (psi(a, b), expected_by_chance(a, b))
        for a, b in (
            (rng.multinomial(n_reference, shares).tolist(), rng.multinomial(n_live, shares).tolist())
            for _ in range(500)
        )
    ]
    indices, chances = np.array(pairs).T
    assert indices.mean() == pytest.approx(chances.mean(), rel=0.1)
    assert expected_by_chance([0, 0], [1, 2]) == 0
