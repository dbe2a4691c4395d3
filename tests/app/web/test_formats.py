"""Numbers, times and names as people read them."""

from datetime import UTC, datetime

import pytest

from app.web import formats


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.04, "40 ms"), (7.26, "7.3 s"), (59.99, "1:00"), (125, "2:05"), (3725, "1:02:05")],
)
def test_duration_is_readable_when_short_or_long(seconds: float | None, text: str) -> None:
    assert formats.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (float("-inf"), "−∞"),
        (0.86123456, "0.8612"),
        (-0.002, "−0.0020"),
        (150000, "150,000"),
        (6670.221, "6,670"),
        (12.3456, "12.35"),
        (3e-7, "3e−07"),
        (3008750.0, "3,008,750"),
        (12345678.9, "1.235e+07"),
        (0.0, "0"),
    ],
)
def test_number_is_readable_when_large_or_small(value: float | None, text: str) -> None:
    assert formats.number(value) == text


def test_difference_has_a_sign_when_positive_too() -> None:
    assert [formats.signed(value) for value in (0.0012, -0.0012, 0.0)] == ["+0.0012", "−0.0012", "0"]


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1024, "1 KB"),
        (7_500_000, "7.2 MB"),
        (3 * 2**29, "1.5 GB"),
        (2**30, "1 GB"),
        (32 * 2**20, "32 MB"),
    ],
)
def test_size_is_in_the_fitting_unit_when_any(n_bytes: int, text: str) -> None:
    assert formats.size(n_bytes) == text


def test_share_is_never_rounded_to_certainty_when_it_is_not_certain() -> None:
    assert [formats.percent(share) for share in (None, 0.0, 0.0001, 0.123, 0.4, 0.99999, 1.0)] == [
        "–",
        "0%",
        "<0.1%",
        "12.3%",
        "40%",
        ">99.9%",
        "100%",
    ]


def test_short_number_has_no_zeros_at_the_end_when_it_is_written() -> None:
    values = (5400.0, 1234.567, 0.15423, -2.98765, 1e9, 3e-6, 2.5, 1000.0, 0.0)
    texts = ["5,400", "1,234.6", "0.1542", "−2.988", "1,000,000,000", "3e−06", "2.5", "1,000", "0"]
    assert [formats.short_number(value) for value in values] == texts


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (True, "true"), (45, "45"), (45.0, "45"), (0.7661266, "0.7661266"), (1e-7, "1e-07"), ("a b", "a b")],
)
def test_value_reads_back_as_itself_when_an_input_holds_it(value: bool | float | str | None, text: str) -> None:
    assert formats.input_text(value) == text


def test_moment_is_written_in_local_time_when_given_in_utc() -> None:
    at = datetime(2026, 11, 22, 23, 20, 5, tzinfo=UTC)
    assert formats.clock(at) == f"{at.astimezone():%Y-%m-%d %H:%M:%S}"
    assert formats.clock(None) == "–"


def test_name_breaks_between_its_words_when_it_has_some() -> None:
    assert formats.name("NumberOfTimes_late.csv") == "Number<wbr>Of<wbr>Times_<wbr>late.<wbr>csv"
    assert formats.name("<b>aB</b>") == "&lt;b&gt;a<wbr>B&lt;/b&gt;"
    assert formats.name("age") == "age"
