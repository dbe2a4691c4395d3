"""Every column is read as a person would read it, whatever its cells look like; what is doubtful is said."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.cells import Cells, Reading, read_category, read_number, read_text
from pipeline.core.params import ColumnOptions
from pipeline.ingest import column_builder, date_reading, frames, number_reading, tables
from pipeline.ingest.columns import (
    Column,
    DateColumn,
    FreeTextColumn,
    NumberColumn,
    Table,
    TextColumn,
    UnusableColumn,
    moment_texts,
)
from pipeline.ingest.inference import infer
from pipeline.ingest.untyped import Circumstances

N = 40


def table_of(
    folder: Path,
    cells: list[str] | Callable[[int], str],
    *,
    delimiter: str = ",",
    n_rows: int = N,
    options: ColumnOptions | None = None,
    target: str = "",
) -> Table:
    """Return the table with the cells in the column `a`, beside a column `b` of words and one of whole numbers."""
    texts = [cells(i) for i in range(n_rows)] if callable(cells) else cells
    quoted = [f'"{text}"' if delimiter in text or "\n" in text else text for text in texts]
    rows = [delimiter.join([text, "xyz"[i % 3], str(i % 4)]) for i, text in enumerate(quoted)]
    path = folder / "t.csv"
    path.write_text("\n".join([delimiter.join("abc"), *rows, ""]), encoding="utf-8")
    return tables.read([path], options={"a": options} if options else None, target=target)


def values(column: Column) -> list[Any]:
    if isinstance(column, TextColumn | DateColumn):
        return [text or None for text in column.texts(slice(None))]
    assert isinstance(column, NumberColumn)
    return [None if np.isnan(value) else float(value) for value in column.values]


NUMBERS: dict[str, tuple[str, list[str], list[float | None]]] = {
    "a currency before": (",", ["$1,234.50", "$5", "-$7.25", "$10"], [1234.5, 5, -7.25, 10]),
    "a currency behind": (";", ["1.234,50 €", "5 €", "7,25 €", "10 €"], [1234.5, 5, 7.25, 10]),
    "a currency code": (",", ["USD 12", "USD 1,300", "usd 5", "USD 7"], [12, 1300, 5, 7]),
    "accounting parentheses": (",", ["(123.45)", "7", "(1,000)", "0.5"], [-123.45, 7, -1000, 0.5]),
    "a trailing minus": (",", ["123.45-", "7", "1-", "0.5"], [-123.45, 7, -1, 0.5]),
    "a Unicode minus": (",", ["−123.45", "7", "–1", "0.5"], [-123.45, 7, -1, 0.5]),
    "percent signs": (",", ["5%", "12.5 %", "-3%", "0%"], [5, 12.5, -3, 0]),
    "thousands by commas": (",", ["1,000", "999", "12,345", "1,234,567"], [1000, 999, 12345, 1234567]),
    "thousands by dots": (";", ["1.000", "999", "12.345", "200"], [1000, 999, 12345, 200]),
    "thousands by several dots": (";", ["1.234.567", "999", "12.345", "200"], [1234567, 999, 12345, 200]),
    "thousands by blanks": (",", ["1 000", "999", "12 345", "1 234 567"], [1000, 999, 12345, 1234567]),
    "thousands by no-break blanks": (",", ["1\u00a0000", "999", "12\u202f345", "7"], [1000, 999, 12345, 7]),
    "thousands by apostrophes": (",", ["1'000", "999", "12’345", "7.5"], [1000, 999, 12345, 7.5]),
    "Indian grouping": (",", ["1,23,456", "999", "12,34,567.5", "7"], [123456, 999, 1234567.5, 7]),
    "one unit": (",", ["1248 CC", "998 CC", "1,498 cc", "2000CC"], [1248, 998, 1498, 2000]),
    "a unit and bare numbers": (",", ["12 kg", "13", "11.5 kg", "10kg"], [12, 13, 11.5, 10]),
    "multipliers": (",", ["3.5k", "2M", "900", "1.25bn"], [3500, 2e6, 900, 1.25e9]),
    "a currency and multipliers": (",", ["$3.5M", "$200k", "$1M", "$900k"], [3.5e6, 2e5, 1e6, 9e5]),
    "clock times": (",", ["1:30", "0:45", "12:00", "2:15:36"], [1.5, 0.75, 12, 2.26]),
    "bounds": (",", ["9", "10+", "<5", "7"], [9, 10, 5, 7]),
    "letters of footnotes": (",", ["3.20 b", "4.5", "1.9", "2.25 e"], [3.2, 4.5, 1.9, 2.25]),
    "a decimal comma in quotes": (",", ["0,125", "0,5", "1,25", "7"], [0.125, 0.5, 1.25, 7]),
    "decimal commas with three digits after a zero": (",", ["0,125", "0,500", "0,250", "0,750"], [0.125, 0.5, 0.25, 0.75]),
    "one year and more": (",", ["1 year", "2 years", "10 years", "30 years"], [1, 2, 10, 30]),
    "half days": (",", ["1:30 PM", "12:15 am", "11:00 a.m.", "12:45 p.m."], [13.5, 0.25, 11, 12.75]),
    "wide digits": (",", ["１２", "７．５", "−３", "９９"], [12, 7.5, -3, 99]),
    "exponents": (",", ["1e3", "2.5E-1", "$7", "1"], [1000, 0.25, 7, 1]),
    "exponents and decimal commas": (";", ["1,5E+03", "2,25E-01", "7,5", "1"], [1500, 0.225, 7.5, 1]),
    "metres beside bare numbers": (",", ["1.75m", "1.80m", "1.62m", "1.55"], [1.75, 1.8, 1.62, 1.55]),
    "months beside years": (",", ["34 y", "6 y", "2 y", "17 y"], [34, 6, 2, 17]),
    "no cents": (",", ["50.-", "1'234.–", "50.50", "7.--"], [50, 1234, 50.5, 7]),
    "no cents and a currency": (";", ["CHF 50.-", "CHF 1'234.-", "CHF 7.50", "CHF 9.-"], [50, 1234, 7.5, 9]),
    "no cents in India": (",", ["INR 1,234/-", "INR 500/-", "INR 99.50", "INR 7/-"], [1234, 500, 99.5, 7]),
    "words for millions": (",", ["$1.2 million", "$3 billion", "$950,000", "$2 million"], [1.2e6, 3e9, 950000, 2e6]),
    "German words for millions": (";", ["2,6 Mio. €", "1 Mrd. €", "900.000 €", "1,5 Mio. €"], [2.6e6, 1e9, 9e5, 1.5e6]),
    "lakhs and crores": (",", ["₹20 Lac", "₹1.5 Cr", "₹75 Lac", "₹2 Cr"], [2e6, 1.5e7, 7.5e6, 2e7]),
    "a multiplier before a currency": (",", ["1.3k€", "2k€", "900 €", "1M€"], [1300, 2000, 900, 1e6]),
    "ten thousands": (",", ["12.5万", "3万", "1亿", "7万"], [125000, 30000, 1e8, 70000]),
    "square metres": (",", ["120 m2", "85.5 m2", "1,200 m2", "60 m²".replace("²", "2")], [120, 85.5, 1200, 60]),
    "other currencies": (",", ["HK$1,200", "HK$5", "HK$7.50", "HK$10"], [1200, 5, 7.5, 10]),
    "other currency codes": (",", ["AED 1,200", "AED 5", "AED 7.50", "AED 10"], [1200, 5, 7.5, 10]),
    "rupiahs": (";", ["Rp 1.200.000", "Rp 5.000", "Rp 750", "Rp 10.000"], [1200000, 5000, 750, 10000]),
    "a full-width yen": (",", ["￥1,234", "￥5", "￥12,000", "￥7"], [1234, 5, 12000, 7]),
    "a triangle for minus": (",", ["△1,234", "5", "▲7", "12"], [-1234, 5, -7, 12]),
    "what a spreadsheet leaves alone": (",", ['=""12.5""'.replace('""', '"'), "'7", "9", "3.5"], [12.5, 7, 9, 3.5]),
    "German clocks": (";", ["14.30 Uhr", "9.05 Uhr", "0.15 Uhr", "23:45 Uhr"], [14.5, 9 + 5 / 60, 0.25, 23.75]),
    "Arabic digits": (",", ["١٢", "٣٫٥", "٧", "٩"], [12, 3.5, 7, 9]),
    "hours and minutes": (",", ["2h 50m", "19h", "1h 5m", "45m"], [2 + 50 / 60, 19, 1 + 5 / 60, 0.75]),
    "days and a clock": (",", ["0 days 01:30:00", "1 days 00:00:00", "2 days 12:00:00", "0 days 00:06:00"], [1.5, 24, 60, 0.1]),
}  # fmt: skip


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_are_read_as_a_person_reads_them_when_they_are_written_with(tmp_path: Path, kind: str) -> None:
    delimiter, cells, expected = NUMBERS[kind]
    column = table_of(tmp_path, cells * 10, delimiter=delimiter).columns["a"]
    assert isinstance(column, NumberColumn)
    assert values(column) == pytest.approx(expected * 10)


@pytest.mark.parametrize("kind", NUMBERS)
def test_a_request_reads_a_cell_as_training_did_when_it_is_written_with(tmp_path: Path, kind: str) -> None:
    delimiter, cells, _ = NUMBERS[kind]
    column = table_of(tmp_path, cells * 10, delimiter=delimiter).columns["a"]
    assert isinstance(column, NumberColumn)
    reader = Cells("numeric", column.reading)
    assert [np.float32(reader.number(cell)) for cell in cells] == column.values[:4].tolist()


@pytest.mark.parametrize(
    ("cells", "n_labels"),
    [
        (["Type 1", "Type 2", "Type 3", "Type 2"], 3),  # names
        (["12 kg", "26 lb", "13 kg", "28 lb"], 4),  # two units
        (["00501", "94110", "02134", "10001"], 4),  # postal codes
        (["07", "7", "10", "7"], 3),
        (["18-24", "25-34", "35+", "18-24"], 3),  # ranges
        (["1.2.3", "1.2.10", "2.0.1", "1.2.3"], 3),  # versions
        (["A1", "B2", "A1", "C3"], 3),
        (["<=50K", ">50K", "<=50K", ">50K"], 2),  # sides of one number
        (["<18", "18+", "<18", "18+"], 2),
        (["2.5 kg", "576 g", "1 kg", "250 g"], 4),  # two units, one of one letter
        (["20C", "68F", "21C", "70F"], 4),
        (["12.5N", "12.5S", "9.1N", "3S"], 4),  # hemispheres
    ],
)
def test_texts_stay_texts_when_they_only_look_like_numbers(tmp_path: Path, cells: list[str], n_labels: int) -> None:
    column = table_of(tmp_path, cells * 10).columns["a"]
    assert isinstance(column, TextColumn)
    assert len(column.labels) == n_labels


@pytest.mark.parametrize(
    "cells",
    [
        ["Octavia 2018", "Outlet 12", "Generation 1980", "Decile 10"],
        ["Market-12", "Junior 12", "Mayfair 21", "Octane 95"],
        ["Set 01", "Gen 02", "Mag. 2010", "Set 03"],
        ["12SET10", "20OUT30", "12SET11", "21OUT30"],
        ["10-10-10", "05-10-12", "12-8-10", "10-11-12"],
        ["Jan 01", "Jan 02", "Jan 28", "Jan 14"],
        ["1-Jan", "2-Jan", "17-Jan", "30-Jan"],
        ["CAD-001", "CAD-002", "CAD-017", "CAD-003"],
        ["KR-2", "KR-3", "KR-7", "KR-9"],
        ["RM 101", "RM 102", "RM 204", "RM 310"],
        ["EUR6", "EUR5", "EUR4", "EUR6"],
        ["001A", "002A", "017A", "003A"],
        ["008xx", "190xx", "945xx", "606xx"],
        ["12B", "13K", "7B", "9K"],
        ["1:10", "1:18", "1:24", "1:43"],
        ["60:40", "50:50", "70:30", "80:20"],
        ["605xx", "577xx", "945xx", "606xx"],
        ["1", "1A", "2", "2"],
        ["49.8N", "13.6S", "12.5N", "3.1N"],
        ["3.10.14", "9.9.12", "2.6.32", "3.9.12"],
    ],
)
def test_texts_stay_categories_when_they_are_names_with_numbers(tmp_path: Path, cells: list[str]) -> None:
    column = table_of(tmp_path, cells * 10).columns["a"]
    assert values(column)[:4] == cells


@pytest.mark.parametrize(
    "cell",
    [
        lambda i: ["X", "Y"][i % 2] if i % 11 == 0 else f"{1 + i % 22}",  # chromosomes
        lambda i: "V57" if i % 40 == 0 else f"{250 + i % 30}",  # codes of diseases
    ],
)
def test_codes_stay_categories_when_some_have_letters(tmp_path: Path, cell: Callable[[int], str]) -> None:
    assert isinstance(table_of(tmp_path, cell, n_rows=200).columns["a"], TextColumn)


def test_days_and_years_are_dates_when_they_stand_in_one_column(tmp_path: Path) -> None:
    table = table_of(tmp_path, lambda i: f"{1990 + i % 30}" if i % 3 == 0 else f"2016-02-{1 + i % 28:02}")
    assert values(table.columns["a"])[0] == "1990-01-01T00:00:00"
    firsts = table_of(tmp_path, lambda i: f"1.{1 + i % 12}.{15 + i % 4}")
    assert values(firsts.columns["a"])[1] == "2016-02-01T00:00:00"


def test_one_currency_is_one_when_it_is_written_in_two_ways(tmp_path: Path) -> None:
    assert table_of(tmp_path, lambda i: f"{['$', 'US$', 'USD '][i % 3]}{i * 7 % 31}.50").warnings == []


@pytest.mark.parametrize("share", [0.3, 0.45, 0.55, 0.8])
def test_footnotes_are_left_out_when_many_or_few_numbers_have_them(tmp_path: Path, share: float) -> None:
    marks = ["", " b", " c", " d"]
    cells = [f"{i % 17}.{i % 10}{marks[1 + i % 3] if i % 100 < 100 * share else ''}" for i in range(300)]
    column = table_of(tmp_path, cells, n_rows=300).columns["a"]
    expected = [float(cell.split()[0]) for cell in cells]
    if share < 0.75:
        assert values(column) == pytest.approx(expected)
    else:  # then the letters are rather units
        assert isinstance(column, TextColumn)


def test_a_cell_of_thousands_of_digits_is_no_crash(tmp_path: Path) -> None:
    assert len(table_of(tmp_path, lambda i: "1" * 5_000 if i == 3 else f"{i * 7 % 31}").columns) == 3
    with pytest.raises(ValueError, match="is not a number"):
        read_number("1" * 5_000 + ":30", Reading(clock=True))


def test_classes_stay_apart_when_they_are_a_number_and_a_letter(tmp_path: Path) -> None:
    for cells in (["1a", "1b", "2a", "2b"], ["1", "1", "1A", "2"]):
        column = table_of(tmp_path, cells * 10, target="a").columns["a"]
        assert sorted(set(values(column))) == sorted(set(cells))


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["12 kg", "13", "11.5 kg", "10kg"], "10 of 40 values are without 'kg'"),
        (["50%", "0.5", "25%", "0.1"], "20 of 40 values have a percent sign"),
        (["$12.345", "$501", "$134.860", "$540.768"], "may mean two numbers"),
        (["12.345 €", "1.501 €", "134.860 €", "540.768 €"], "may mean two numbers"),
    ],
)
def test_a_warning_says_it_when_numbers_are_doubtful(tmp_path: Path, cells: list[str], said: str) -> None:
    assert said in " ".join(table_of(tmp_path, cells * 10).warnings)


def test_the_mark_is_decided_from_all_rows_when_decimals_begin_late(tmp_path: Path) -> None:
    column = table_of(tmp_path, lambda i: "0" if i < 5200 else f"8,{i % 100:02}", delimiter=";", n_rows=6000).columns[
        "a"
    ]
    assert values(column)[5200:5202] == pytest.approx([8.0, 8.01])
    assert max(values(column)) < 9


def test_the_reading_is_said_when_a_number_may_mean_two(tmp_path: Path) -> None:
    table = table_of(tmp_path, lambda i: f"{i + 1}.{100 + i}", delimiter=";")
    assert values(table.columns["a"])[:2] == pytest.approx([1.1, 2.101])
    assert table.warnings == [
        "Column 'a': '1.100' may mean two numbers; it was read as 1.100. To change that, set columns.a.decimal."
    ]
    decided = table_of(tmp_path, lambda i: f"{i + 1}.{100 + i}", delimiter=";", options=ColumnOptions(decimal=","))
    assert values(decided.columns["a"])[:2] == [1100, 2101]
    assert decided.warnings == []


@pytest.mark.parametrize(
    "word",
    [
        "\\N",
        "..",
        ":",
        "*",
        "—",
        "(null)",
        "s",
        "NaT",
        "N/D",
        "Unknown",
        "#DIV/0!",
        "#N/A",
        "Not Available",
        "none",
        "PrivacySuppressed",
        "n.a.",
        "NULL",
        "nan",
    ],
)
def test_a_word_means_missing_when_it_stands_among_numbers(tmp_path: Path, word: str) -> None:
    table = table_of(tmp_path, lambda i: word if i % 4 == 0 else str(i + 0.5))
    column = table.columns["a"]
    assert isinstance(column, NumberColumn)
    assert values(column)[:3] == [None, 1.5, 2.5]


def test_words_that_repeat_among_numbers_mean_missing_and_are_listed_with_counts(tmp_path: Path) -> None:
    table = table_of(tmp_path, lambda i: "withheld" if i % 4 == 0 else str(i + 0.5))
    assert values(table.columns["a"])[:3] == [None, 1.5, 2.5]
    assert table.warnings == ["Column 'a': 10 non-numeric values treated as missing ('withheld' 10 times)."]
    column = table.columns["a"]
    assert isinstance(column, NumberColumn)
    assert np.isnan(Cells("numeric", column.reading).number("withheld"))
    assert [(cell.value, cell.count) for cell in table.reports["a"].unread] == [("withheld", 10)]


def test_a_column_stays_text_when_words_among_numbers_are_many_or_numbers_few(tmp_path: Path) -> None:
    assert isinstance(
        table_of(tmp_path, lambda i: f"word{'abcdefg'[i % 7]}" if i % 3 else "5").columns["a"], TextColumn
    )
    assert isinstance(table_of(tmp_path, lambda i: ["1", "2", "K", "A"][i % 4]).columns["a"], TextColumn)


def test_a_usual_word_for_missing_is_a_value_when_a_person_says_so(tmp_path: Path) -> None:
    cells = ["ZA", "NA", "", "BW"] * 10
    table = table_of(tmp_path, cells)
    assert values(table.columns["a"])[:4] == ["ZA", None, None, "BW"]
    assert [(word.value, word.count) for word in table.reports["a"].missing] == [("NA", 10)]
    kept = table_of(tmp_path, cells, options=ColumnOptions(kept=("NA",))).columns["a"]
    assert values(kept)[:4] == ["ZA", "NA", None, "BW"]
    assert isinstance(kept, TextColumn)
    assert Cells("categorical", kept.reading, kept.labels).text(" NA ") == "NA"


def test_a_word_means_missing_when_a_person_says_so(tmp_path: Path) -> None:
    column = table_of(tmp_path, ["red", "blue", "tbd", "red"] * 10, options=ColumnOptions(missing=("tbd",))).columns[
        "a"
    ]
    assert values(column)[:4] == ["red", "blue", None, "red"]


@pytest.mark.parametrize(
    ("cells", "classes"),
    [(["None", "Apnea", "Insomnia", "None"], 3), (["-", "+", "+", "-"], 2), (["NA", "yes", "yes", "no"], 3)],
)
def test_a_frequent_word_for_missing_is_a_class_and_said_when_it_stands_in_the_target(
    tmp_path: Path, cells: list[str], classes: int
) -> None:
    table = table_of(tmp_path, cells * 10, target="a")
    column = table.columns["a"]
    assert isinstance(column, TextColumn)
    assert len(column.labels) == classes
    assert None not in values(column)
    assert "is a class here, though usually it means missing" in table.warnings[0]
    assert "columns.a.missing" in table.warnings[0]


def test_spellings_of_a_category_are_one_and_said_when_only_their_case_differs(tmp_path: Path) -> None:
    table = table_of(tmp_path, ["Red", "red", "RED", "red", "blue"] * 8)
    column = table.columns["a"]
    assert values(column)[:5] == ["red", "red", "red", "red", "blue"]
    assert "Column 'a': spellings taken as one category: 'Red' = 'red' = 'RED'" in table.notes
    assert isinstance(column, TextColumn)
    assert Cells("categorical", column.reading, column.labels).text("rED") == "red"


@pytest.mark.parametrize("letters", ["YNyn", "TFtf", "MFmf"])
def test_letters_are_one_category_when_all_of_them_are_a_usual_pair_in_both_cases(tmp_path: Path, letters: str) -> None:
    column = table_of(tmp_path, [*letters] * 10).columns["a"]
    assert isinstance(column, TextColumn)
    assert len(column.labels) == 2


def test_whole_numbers_are_dates_when_each_is_written_like_a_day(tmp_path: Path) -> None:
    column = table_of(tmp_path, lambda i: f"2020{1 + i % 12:02}{1 + i % 28:02}").columns["a"]
    assert isinstance(column, DateColumn)
    assert values(column)[0] == "2020-01-01T00:00:00"
    assert isinstance(table_of(tmp_path, lambda i: f"2020{1 + i % 13:02}01").columns["a"], NumberColumn)


def test_categories_are_one_when_they_differ_in_what_nobody_sees(tmp_path: Path) -> None:
    cells = ["New York", "New  York", "\u200bNew York", "New\u00a0York", "Köln", "Ko\u0308ln"]
    column = table_of(tmp_path, cells * 10).columns["a"]
    assert isinstance(column, TextColumn)
    assert column.labels == ["New York", "Köln"]
    reader = Cells("categorical", column.reading, column.labels)
    assert [reader.text(cell) for cell in cells] == ["New York"] * 4 + ["Köln"] * 2


@given(
    text=st.text(max_size=12)
    | st.lists(st.sampled_from(["NA", " ", "\u200b", "\u00ad", "é", "e\u0301", "?"])).map("".join)
)
def test_a_category_is_the_same_when_it_is_read_again(text: str) -> None:
    assert read_category(read_category(text)) == read_category(text)


def test_letters_stay_two_categories_when_only_their_case_differs(tmp_path: Path) -> None:
    column = table_of(tmp_path, ["m", "M", "m", "h"] * 10).columns["a"]
    assert values(column)[:4] == ["m", "M", "m", "h"]
    assert isinstance(column, TextColumn)
    assert Cells("categorical", column.reading, column.labels).text("M") == "M"


DATES: dict[str, tuple[list[str], list[str | None]]] = {
    "ISO": (["2020-01-31", "2020-02-01"], ["2020-01-31T00:00:00", "2020-02-01T00:00:00"]),
    "a time": (["2020-01-31 14:05", "2020-02-01T23:59:59"], ["2020-01-31T14:05:00", "2020-02-01T23:59:59"]),
    "a zone": (["2020-01-31T01:00:00+02:00", "2020-02-01T00:00:00Z"], ["2020-01-30T23:00:00", "2020-02-01T00:00:00"]),
    "the day first": (["31/01/2020", "01/02/2020"], ["2020-01-31T00:00:00", "2020-02-01T00:00:00"]),
    "the month first": (["01/31/2020", "02/01/2020"], ["2020-01-31T00:00:00", "2020-02-01T00:00:00"]),
    "dots": (["31.01.2020", "01.02.2020"], ["2020-01-31T00:00:00", "2020-02-01T00:00:00"]),
    "two digits": (["01/31/20", "02/01/99"], ["2020-01-31T00:00:00", "1999-02-01T00:00:00"]),
    "names of months": (["31 Jan 2020", "1-Feb-2020"], ["2020-01-31T00:00:00", "2020-02-01T00:00:00"]),
    "American long form": (["January 31, 2020", "Feb 1, 2020"], ["2020-01-31T00:00:00", "2020-02-01T00:00:00"]),
    "half days": (["1/31/2020 2:05 PM", "2/1/2020 12:00 AM"], ["2020-01-31T14:05:00", "2020-02-01T00:00:00"]),
    "the weekday": (["Friday, 31 January 2020", "Sat 2020-02-01"], ["2020-01-31T00:00:00", "2020-02-01T00:00:00"]),
    "quarters": (["2020Q1", "2020-Q4"], ["2020-01-01T00:00:00", "2020-10-01T00:00:00"]),
    "zones of two digits": (
        ["2020-01-31 01:00:00+02", "2020-02-01 00:00:00 +0000 UTC"],
        ["2020-01-30T23:00:00", "2020-02-01T00:00:00"],
    ),
    "names of zones": (
        ["2020-01-31 10:00:00 EST", "2020-02-01 10:00 CET"],
        ["2020-01-31T15:00:00", "2020-02-01T09:00:00"],
    ),
    "a comma before the time": (
        ["1/31/2020, 2:05:00 PM", "2/1/2020, 12:00:00 AM"],
        ["2020-01-31T14:05:00", "2020-02-01T00:00:00"],
    ),
    "Uhr": (["31.01.2020, 14:05 Uhr", "01.02.2020 09:00 Uhr"], ["2020-01-31T14:05:00", "2020-02-01T09:00:00"]),
    "short German days": (["31.1.20", "1.2.20"], ["2020-01-31T00:00:00", "2020-02-01T00:00:00"]),
    "Chinese and Japanese": (["2020年1月31日", "2020年2月1日"], ["2020-01-31T00:00:00", "2020-02-01T00:00:00"]),
    "Korean": (["2020. 1. 31.", "2020. 2. 1."], ["2020-01-31T00:00:00", "2020-02-01T00:00:00"]),
    "no marks and a time": (["20200131T140500", "20200201T000000"], ["2020-01-31T14:05:00", "2020-02-01T00:00:00"]),
    "SAS": (["31JAN2020", "01FEB2020:09:30:00"], ["2020-01-31T00:00:00", "2020-02-01T09:30:00"]),
    "ordinals": (["31st January 2020", "1st Feb 2020"], ["2020-01-31T00:00:00", "2020-02-01T00:00:00"]),
    "slashes and names": (
        ["31/Jan/2020", "01/Feb/2020:10:00:00 +0000"],
        ["2020-01-31T00:00:00", "2020-02-01T10:00:00"],
    ),
    "the year and names": (["2020-Jan-31", "2020 Feb 01"], ["2020-01-31T00:00:00", "2020-02-01T00:00:00"]),
    "C": (
        ["Fri Jan 31 14:05:00 2020", "Sat Feb  1 00:00:00 +0000 2020"],
        ["2020-01-31T14:05:00", "2020-02-01T00:00:00"],
    ),
    "German names": (["31. Januar 2020", "1. März 2020"], ["2020-01-31T00:00:00", "2020-03-01T00:00:00"]),
    "French names": (["31 janv. 2020", "1 août 2020"], ["2020-01-31T00:00:00", "2020-08-01T00:00:00"]),
    "short French names": (
        ["31 avr. 2020".replace("31", "30"), "1 févr. 2020"],
        ["2020-04-30T00:00:00", "2020-02-01T00:00:00"],
    ),
    "Spanish names": (["31 de enero de 2020", "1 de agosto de 2020"], ["2020-01-31T00:00:00", "2020-08-01T00:00:00"]),
    "month and year": (["01/2020", "02/2020"], ["2020-01-01T00:00:00", "2020-02-01T00:00:00"]),
    "statisticians' months": (["2020M01", "2020M12"], ["2020-01-01T00:00:00", "2020-12-01T00:00:00"]),
    "quarters before the year": (["Q1 2020", "Q4/2020"], ["2020-01-01T00:00:00", "2020-10-01T00:00:00"]),
    "years of birth": (["5/12/45", "1/31/60"], ["1945-05-12T00:00:00", "1960-01-31T00:00:00"]),
    "MySQL's no date": (["2020-01-31", "0000-00-00"], ["2020-01-31T00:00:00", None]),
    "months": (["2020-01", "2020-02"], ["2020-01-01T00:00:00", "2020-02-01T00:00:00"]),
}


@pytest.mark.parametrize("kind", DATES)
def test_dates_are_read_when_they_are_written_with(tmp_path: Path, kind: str) -> None:
    cells, expected = DATES[kind]
    table = table_of(tmp_path, cells * 20)
    column = table.columns["a"]
    assert isinstance(column, DateColumn)
    assert values(column)[:2] == expected
    assert table.warnings == []
    reader = Cells("date", column.reading)
    assert [reader.text(cell) or None for cell in cells] == expected


PART = st.integers(0, 40)
MARKS = st.sampled_from(["-", "/", "."])


@settings(max_examples=300, deadline=None)
@given(
    labels=st.lists(
        st.builds("{:02}{}{:02}{}{:04}{}".format, PART, MARKS, PART, MARKS, st.sampled_from([0, 1, 1969, 2024, 9999]), st.sampled_from(["", " 7:05", " 24:00", "T23:59", " 12:30:60", " 00:00:00"]))
        | st.builds("{:04}-{:02}-{:02}{}".format, st.sampled_from([0, 1, 1900, 2024]), PART, PART, st.sampled_from(["", " 07:05", "T24:00", "  01:02:03", "Z"]))
        | st.sampled_from(["", "n/a", "soon", "29.02.2024"]),
        max_size=6,
    ),
    order=st.sampled_from(["", "dmy", "mdy", "ymd"]),
)  # fmt: skip
def test_dates_are_the_same_when_many_are_read_at_once_and_when_a_request_has_one(
    labels: list[str], order: Any
) -> None:
    reading = Reading(date_order=order)
    moments, unread = date_reading.parse(labels, reading)
    for label, moment, is_unread in zip(labels, moment_texts(moments), unread, strict=True):
        try:
            expected, fits = Cells("date", reading).text(label), True
        except ValueError:
            expected, fits = "", False
        assert (moment, not is_unread) == (expected, fits), label


def test_the_order_of_day_and_month_is_said_when_no_date_decides_it(tmp_path: Path) -> None:
    table = table_of(tmp_path, lambda i: f"0{1 + i % 9}/0{1 + i % 7}/2020")
    assert "may mean two days; the month was taken to come first" in table.warnings[0]
    options = ColumnOptions(date_order="dmy", missing=("03/03/2020",))
    decided = table_of(tmp_path, lambda i: f"0{1 + i % 9}/0{1 + i % 7}/2020", options=options)
    assert values(decided.columns["a"])[7] == "2020-01-08T00:00:00"
    assert decided.warnings == []


def test_two_ways_of_writing_dates_are_said_when_only_one_decides(tmp_path: Path) -> None:
    table = table_of(tmp_path, lambda i: f"{13 + i % 9}-01-2017" if i % 2 else f"0{1 + i % 9}/05/2017")
    assert "dates are written in two ways, '01/05/2017' and '14-01-2017'; the day was taken" in table.warnings[0]


def test_dates_are_dates_when_a_word_stands_in_many_of_them(tmp_path: Path) -> None:
    table = table_of(tmp_path, lambda i: "pending" if i % 4 == 0 else f"2020-01-{1 + i % 28:02}")
    assert isinstance(table.columns["a"], DateColumn)
    assert "10 values that are no dates treated as missing ('pending' 10 times)" in table.warnings[0]


@pytest.mark.parametrize("cells", [["2010-11", "2011-12", "2009-10"], ["1.2.10", "1.10.20", "2.0.10"]])
def test_texts_are_no_dates_when_they_are_seasons_or_versions(tmp_path: Path, cells: list[str]) -> None:
    assert isinstance(table_of(tmp_path, cells * 14).columns["a"], TextColumn)


def test_whole_numbers_are_moments_when_each_is_written_like_one(tmp_path: Path) -> None:
    seconds = table_of(tmp_path, lambda i: f"2017{1 + i % 12:02}{1 + i % 28:02}{i % 24:02}0530").columns["a"]
    assert values(seconds)[0] == "2017-01-01T00:05:30"
    floats = table_of(tmp_path, lambda i: f"2017{1 + i % 12:02}{1 + i % 28:02}.0").columns["a"]
    assert values(floats)[0] == "2017-01-01T00:00:00"


def test_a_column_is_of_dates_when_a_few_cells_are_none(tmp_path: Path) -> None:
    table = table_of(tmp_path, lambda i: "pending" if i == 5 else f"2020-01-{1 + i % 28:02}")
    assert isinstance(table.columns["a"], DateColumn)
    assert table.warnings == ["Column 'a': 1 value that is no date treated as missing ('pending')."]


def test_numbers_stay_numbers_when_there_are_more_distinct_texts_than_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(column_builder, "MAX_LABELS", 10)
    table = table_of(tmp_path, lambda i: f"${i + 1},{500 + i}.25" if i != 30 else "?!")
    column = table.columns["a"]
    assert isinstance(column, NumberColumn)
    assert values(column)[:2] == [1500.25, 2501.25]
    assert values(column)[30] is None
    assert table.warnings == ["Column 'a': 1 non-numeric value treated as missing ('?!')."]
    assert column.reading.affixes == ("$",)
    assert np.isnan(Cells("numeric", column.reading).number("?!"))


@pytest.mark.parametrize("form", ["{0}.1.2020", "${0}.50"])
def test_no_row_is_lost_when_a_piece_of_a_long_column_is_blank(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(column_builder, "MAX_LABELS", 10)
    monkeypatch.setattr(frames, "CHUNK_ROWS", 15)
    column = table_of(tmp_path, lambda i: "" if 15 <= i < 30 else form.format(1 + i * 5 % 28)).columns["a"]
    assert [value is None for value in values(column)] == [15 <= i < 30 for i in range(N)]
    assert len(column.hashes()) == N


def test_many_distinct_texts_are_numbers_when_they_are_some(tmp_path: Path) -> None:
    n = 3 * number_reading.PROBED_TEXTS
    assert isinstance(table_of(tmp_path, lambda i: f"{i * 7 + 0.5} kg", n_rows=n).columns["a"], NumberColumn)
    frequent = table_of(tmp_path, lambda i: f"{i % 20}" if i % 40 else f"x-{i}", n_rows=50 * n)
    assert isinstance(frequent.columns["a"], NumberColumn)
    assert isinstance(table_of(tmp_path, lambda i: f"x{i * 7}", n_rows=n).columns["a"], UnusableColumn)


def test_dates_stay_dates_when_there_are_more_distinct_ones_than_texts_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cell(i: int) -> str:
        return {30: "soon", 31: "", 39: "n/a"}.get(i, f"{1 + i % 28}.{1 + i % 12}.2020 {i % 24}:05")

    few = table_of(tmp_path, cell).columns["a"]
    monkeypatch.setattr(column_builder, "MAX_LABELS", 10)
    monkeypatch.setattr(frames, "CHUNK_ROWS", 15)
    table = table_of(tmp_path, cell)
    column = table.columns["a"]
    assert isinstance(column, DateColumn)
    assert values(column) == values(few)
    assert column.hashes().tolist() == few.hashes().tolist()
    assert values(column)[29:32] == ["2020-06-02T05:05:00", None, None]
    assert table.warnings == ["Column 'a': 1 value that is no date treated as missing ('soon')."]
    assert Cells("date", column.reading).text("soon") == ""
    assert table.reports["a"].kind == "date"
    assert table.reports["a"].examples[0] == "2020-01-01T00:05:00"


OPINIONS = ("lovely", "spotless", "dirty", "loud", "warm", "cold")


def review(i: int) -> str:
    return f"Room {i} was {OPINIONS[i % 6]} and {OPINIONS[i % 5]}, paid {i * 7}!"


TEXTS: dict[str, tuple[Callable[[int], str], str]] = {
    "reviews": (review, "room 1 was spotless and spotless paid 7"),
    "names of people": (lambda i: f"Smith{i}, {['Mr', 'Mrs', 'Miss', 'Dr'][i % 4]}. J.", "smith1 mrs j"),
    "addresses": (lambda i: f"{i} {['Main', 'Oak', 'Park'][i % 3]} {['Street', 'Lane'][i % 2]}", "1 oak lane"),
    "Japanese": (lambda i: f"部屋{i}は{['綺麗', '汚い', '静か'][i % 3]}でした", "部 屋 1 は 汚 い で し た"),
}


def test_texts_are_read_as_words_when_they_are_long_and_of_few_words(tmp_path: Path) -> None:
    moves = np.random.default_rng(0).choice(["e4", "e5", "Nf3", "Nc6", "Bb5"], (150, 25))
    assert isinstance(table_of(tmp_path, lambda i: " ".join(moves[i]), n_rows=150).columns["a"], FreeTextColumn)


@pytest.mark.parametrize("kind", TEXTS)
def test_texts_are_read_as_words_when_they_are(tmp_path: Path, kind: str) -> None:
    cell, expected = TEXTS[kind]
    table = table_of(tmp_path, cell, n_rows=150)
    column = table.columns["a"]
    assert isinstance(column, FreeTextColumn)
    assert (values(column)[1], table.reports["a"].kind, table.warnings) == (expected, "text", [])
    assert Cells("text", column.reading).text(cell(1).upper()) == expected


@pytest.mark.parametrize(
    "cell",
    [
        lambda i: f"ORD-{i:05}",
        lambda i: f"{i * 7919 % 99991:05x}-{i * 104729 % 99991:05x}",
        lambda i: f"user{i}",
        lambda i: f"{i}.{i * 7} / {i + 3}",
    ],
)
def test_a_column_is_left_out_when_its_texts_have_no_words_in_common(
    tmp_path: Path, cell: Callable[[int], str]
) -> None:
    column = table_of(tmp_path, cell, n_rows=150).columns["a"]
    assert isinstance(column, UnusableColumn)
    assert column.reason == "150 distinct values without words in common: looks like an ID"


def test_texts_are_categories_when_they_repeat_or_are_the_target(tmp_path: Path) -> None:
    table = table_of(tmp_path, lambda i: review(i % 40), n_rows=150)
    assert table.reports["a"].kind == "categorical"
    target = table_of(tmp_path, review, n_rows=150, target="a").columns["a"]
    assert isinstance(target, UnusableColumn)
    assert target.reason == "150 distinct values"
    chosen = table_of(tmp_path, lambda i: review(i % 40), n_rows=150, options=ColumnOptions(kind="text"))
    assert isinstance(chosen.columns["a"], FreeTextColumn)
    options = ColumnOptions(kind="text", kept=("NA",))
    kept = table_of(tmp_path, lambda i: ["NA", "na", review(i)][i % 3], options=options).columns["a"]
    assert isinstance(kept, FreeTextColumn)
    assert values(kept)[:2] == ["na", "na"]
    assert Cells("text", kept.reading).text("na") == "na"


def test_a_person_decides_when_there_are_more_distinct_texts_than_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cell(i: int) -> str:
        return f"0{1 + i % 9}/{1 + i % 12:02}/20{10 + i % 11}"

    monkeypatch.setattr(column_builder, "MAX_LABELS", 10)
    assert "the month was taken to come first" in table_of(tmp_path, cell).warnings[0]
    options = ColumnOptions(date_order="dmy", missing=("tba",))
    column = table_of(tmp_path, cell, options=options).columns["a"]
    assert isinstance(column, DateColumn)
    assert values(column)[1] == "2011-02-02T00:00:00"
    assert Cells("date", column.reading).text("tba") == ""
    assert isinstance(table_of(tmp_path, cell, options=ColumnOptions(kind="text")).columns["a"], FreeTextColumn)
    category = table_of(tmp_path, cell, options=ColumnOptions(kind="categorical")).columns["a"]
    assert isinstance(category, UnusableColumn)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (ColumnOptions(kind="numeric"), "no value can be read as a number."),
        (ColumnOptions(kind="date"), "no value can be read as a date."),
        (ColumnOptions(decimal=","), "too few values are numbers with the decimal mark ',', which was chosen for it."),
        (ColumnOptions(date_order="dmy"), "too few values are dates in the order dmy, which was chosen for it."),
    ],
)
def test_a_decision_is_named_when_the_values_do_not_fit_it(tmp_path: Path, options: ColumnOptions, said: str) -> None:
    table = table_of(tmp_path, lambda i: ["red", "blue"][i % 2], options=options)
    assert table.warnings == [f"Column 'a': {said}"]
    assert values(table.columns["a"])[:2] == ["red", "blue"]


def test_a_column_is_left_out_when_only_its_first_texts_are_dates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(column_builder, "MAX_LABELS", 10)
    monkeypatch.setattr(frames, "CHUNK_ROWS", 20)
    table = table_of(tmp_path, lambda i: f"2020-01-{1 + i:02}" if i < 20 else f"word {i}")
    column = table.columns["a"]
    assert isinstance(column, UnusableColumn)
    assert column.reason == "dates and 20 values that are none"


def test_texts_are_kept_when_there_are_more_distinct_ones_than_ids_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(column_builder, "MAX_LABELS", 60)
    monkeypatch.setattr(frames, "CHUNK_ROWS", 50)
    assert isinstance(table_of(tmp_path, review, n_rows=150).columns["a"], FreeTextColumn)
    monkeypatch.setattr(column_builder, "MAX_CHARACTERS", 100)
    column = table_of(tmp_path, review, n_rows=150).columns["a"]
    assert isinstance(column, UnusableColumn)
    assert column.reason == "texts of more than 100 characters"


def test_a_word_for_missing_is_missing_when_the_model_looks_for_it_in_texts() -> None:
    cells = Cells("text", Reading(), ["missing", "towel"])
    assert [cells.text(text) for text in ("missing", " missing", "NA")] == ["", "", ""]
    assert cells.text("Missing towel") == "missing towel"


def test_no_text_is_unseen_when_the_model_looks_for_no_word() -> None:
    assert not Cells("text", Reading(), []).is_unseen("good")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("हिन्दी भाषा", "हिन्दी भाषा"),
        ("สวัสดี ครับ", "สวัสดี ครับ"),
        ("Ångström, A\u030angström!", "ångström ångström"),
        ("İSTANBUL istanbul", "istanbul istanbul"),
        ("東京 Tower", "東 京 tower"),
        ("ﬃ" * 9_990 + " good", "ffi" * 6_666 + "ff"),
    ],
)
def test_words_keep_their_marks_when_the_script_writes_some(text: str, words: str) -> None:
    assert read_text(text) == words
    assert read_text(words) == words


@settings(max_examples=300, deadline=None)
@given(
    text=st.text(max_size=40) | st.lists(st.sampled_from(["NA", "nil", "İ", "ﬁ", "ß", "?", "ｎ", "None"])).map(" ".join)
)
def test_words_are_the_same_when_they_are_read_again(text: str) -> None:
    words = read_text(text)
    assert read_text(words) == words
    assert words == " ".join(words.split())


@settings(max_examples=150, deadline=None)
@given(
    numbers=st.lists(
        st.one_of(st.integers(-(10**7), 10**7).map(str), st.decimals(-1000, 1000, places=3).map(str), st.floats(width=32, allow_nan=False, allow_infinity=False).map(str)),
        min_size=3,
        max_size=30,
    ),
    words=st.lists(st.sampled_from(["", "NA", "null", " ", "n/a", "-", "\\N"]), max_size=5),
)  # fmt: skip
def test_plain_numbers_are_the_same_when_pandas_reads_them_and_when_a_request_does(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[str], words: list[str]
) -> None:
    cells = numbers + words
    path = tmp_path_factory.mktemp("plain") / "t.csv"
    path.write_text("\n".join(["a,b", *(f"{cell},x" for cell in cells), ""]))
    column = tables.read([path]).columns.get("a")
    if not isinstance(column, NumberColumn):  # a row number, an ID
        return
    reader = Cells("numeric", column.reading)
    expected = np.array([reader.number(cell) for cell in cells]).astype(np.float32)
    assert np.array_equal(column.values, expected, equal_nan=True)


@settings(max_examples=200, deadline=None)
@given(
    value=st.decimals(-(10**9), 10**9, places=2),
    decimal=st.sampled_from([".", ","]),
    mark=st.sampled_from(["", " ", "'", "other", "\u00a0"]),
    around=st.sampled_from(["{}", "{} kg", "${}", "({})", "  {} "]),
)
def test_a_number_keeps_its_value_when_it_is_written_with_any_marks(
    value: Any, decimal: str, mark: str, around: str
) -> None:
    group = ("," if decimal == "." else ".") if mark == "other" else mark
    whole, fraction = f"{abs(value):,.2f}".split(".")
    text = whole.replace(",", group) + decimal + fraction
    negative = value < 0 and around != "({})"
    text = around.format(text) if not negative else "-" + around.format(text).strip()
    reading = Reading(decimal=decimal, affixes=("kg", "$"))
    expected = -abs(float(value)) if around == "({})" else float(value)
    assert read_number(text, reading) == pytest.approx(expected)


def column_of(labels: list[str], decimal: str = ".") -> Column:
    """Return the column that is inferred from a text column with each of the labels once."""
    column = TextColumn("a", np.arange(len(labels), dtype=np.int32), labels)
    return infer(column, Circumstances(file_mark=decimal, delimiter=";")).column


@pytest.mark.parametrize(
    ("text", "is_date"),
    [
        ("2024-01-05", True),
        ("2024-01-05T10:00:00Z", True),
        ("12/1/2010 8:26", True),
        ("1/5/24", True),
        ("05-Jan-2024", True),
        ("January 5, 2024", True),
        ("5 Sept 24 23:59", True),
        ("1.2.20", False),
        ("May 5", False),
        ("10-12", False),
    ],
)
def test_dates_are_known_when_they_are_written_in_other_ways(text: str, is_date: bool) -> None:
    assert isinstance(column_of([text]), DateColumn) == is_date


@pytest.mark.parametrize(
    ("decimal", "labels", "expected"),
    [
        (",", ["0,123", "1,234"], [0.123, 1.234]),
        (",", ["12,5 %", "7 %", "-0,5%"], [12.5, 7.0, -0.5]),
        (",", ["1.234,50", "999,90", "2.000.000,00"], [1234.5, 999.9, 2e6]),
        (",", ["1.234", "999", "1.000.000"], [1234.0, 999.0, 1e6]),
        (".", ["1,234.50", "999.90", "5%", "-2,000,000"], [1234.5, 999.9, 5.0, -2e6]),
    ],
)
def test_numbers_keep_their_size_when_they_have_marks(decimal: str, labels: list[str], expected: list[float]) -> None:
    column = column_of(labels, decimal)
    assert isinstance(column, NumberColumn)
    assert column.values.tolist() == pytest.approx(expected)
