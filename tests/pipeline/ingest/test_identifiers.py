"""Row numbers and identifiers are told from measures, whatever they are called."""

import numpy as np
import pytest

from pipeline.ingest.columns import NumberColumn, number_column
from pipeline.ingest.identifiers import is_identifier, is_row_number

N = 300
RNG = np.random.default_rng(0)


def column(name: str, values: object) -> NumberColumn:
    return number_column(name, np.asarray(values, dtype=np.float64))


@pytest.mark.parametrize(
    "name",
    ["rownames", "row.names", "X", "X1", "...1", "Unnamed: 0", "Unnamed: 0.1", "S.No", "Sr. No.", "S No", "#", "No.", "Nr",
    "customerid", "CustomerID", "OBJECTID", "FID", "passenger_id", "PassengerId", "id", "Id", "pk", "index", "obs",
    "record", "case", "seq", "Lfd.Nr", "loan", "anything else"],
)  # fmt: skip
def test_a_column_numbers_the_rows_when_it_counts_up_whatever_its_name(name: str) -> None:
    for values in (range(1, N + 1), range(N)):
        assert is_row_number(column(name, values)) or is_identifier(column(name, values))


@pytest.mark.parametrize(
    "name", ["time", "zeit", "day", "t", "year", "hours_run", "epoch", "age", "rank", "Distance (m)"]
)
def test_a_column_is_a_measure_when_its_name_is_one_though_it_counts_up(name: str) -> None:
    assert not is_row_number(column(name, range(N)))
    assert not is_identifier(column(name, range(N)))


@pytest.mark.parametrize(
    "name",
    ["customerid", "CustomerID", "customer_id", "Customer Id", "OBJECTID", "passengerId", "ID", "user.id", "orderNumber",
    "invoice_no", "ticketNo",
        "phone_number", "uuid", "sample_key", "serial"],
)  # fmt: skip
def test_a_column_identifies_the_rows_when_its_numbers_are_distinct_and_its_name_says_so(name: str) -> None:
    assert is_identifier(column(name, RNG.permutation(10**6)[:N]))


def test_a_column_identifies_the_rows_when_it_holds_each_number_once_in_any_order() -> None:
    assert is_identifier(column("anything", RNG.permutation(N) + 1))
    assert is_row_number(column("anything", [*range(1, 151), *range(1, 151)]), {0, 150})  # two files
    assert is_identifier(column("passenger_id", [*RNG.permutation(N).tolist(), float("nan")]))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("amount_paid", RNG.permutation(10**6)[:N]),
        ("humid", RNG.permutation(10**6)[:N]),
        ("grid", RNG.permutation(10**6)[:N]),
        ("population", RNG.permutation(10**6)[:N]),
        ("price", RNG.permutation(10**4)[:N] * 10),
        ("balance", RNG.permutation(10**6)[:N] - 5 * 10**5),
        ("n_rooms", RNG.integers(1, 9, N)),
        ("age", RNG.integers(18, 90, N)),
        ("year", np.arange(N) // 12 + 1990),
        ("rating", np.arange(N) % 5 + 1),
        ("store_id", np.arange(N) % 7),
        ("customer_id", np.repeat(np.arange(N // 3), 3)),
        ("x", RNG.normal(size=N)),
        ("X", np.arange(N) / 10),
        ("index", RNG.normal(size=N)),
        ("X12", RNG.permutation(10**6)[:N]),
        ("v3", RNG.permutation(10**6)[:N]),
        ("number", RNG.permutation(10**6)[:N]),
        ("column 4", RNG.permutation(10**6)[:N]),
        ("postcode", RNG.permutation(10**5)[:N]),
        ("house_number", RNG.permutation(10**4)[:N]),
        ("score", RNG.permutation(30)),
        ("grade", RNG.permutation(30) + 1),
        ("weight", np.arange(50, 80)),
        ("mileage", np.arange(N)),
        ("frame", np.arange(N)),
        ("record", RNG.integers(0, 30, N)),
    ],
)
def test_a_column_stays_a_feature_when_it_measures_something(name: str, values: object) -> None:
    assert not is_row_number(column(name, values))
    assert not is_identifier(column(name, values))
