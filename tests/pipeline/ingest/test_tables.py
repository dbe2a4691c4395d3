"""Any table becomes typed columns: numbers, booleans, texts, and what no model can take."""

import contextlib
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.params import ColumnOptions
from pipeline.core.problems import DataError
from pipeline.ingest import column_builder, frames, tables
from pipeline.ingest.columns import Column, DateColumn, NumberColumn, Table, TextColumn, UnusableColumn


def read(folder: Path, text: str | bytes) -> Table:
    path = folder / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return tables.read([path])


def values(column: Column) -> list[Any]:
    """Return the values of a column as Python objects, None where missing."""
    if isinstance(column, TextColumn | DateColumn):
        return [text or None for text in column.texts(slice(None))]
    assert isinstance(column, NumberColumn)
    return [None if np.isnan(value) else float(value) for value in column.values]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffa,b\n1,x\n2,y\n",
        "a,b\r\n1,x\r\n2,y\r\n",
        "a,b\r1,x\r2,y\r",
        "a , b\n1, x\n2 ,y \n\n",
        "\n,\n , \na,b\n1,x\n2,y\n",
    ],
)
def test_equal_tables_come_out_when_they_are_written_differently(tmp_path: Path, text: str) -> None:
    table = read(tmp_path, text)
    assert {name: values(column) for name, column in table.columns.items()} == {"a": [1.0, 2.0], "b": ["x", "y"]}


def test_every_word_for_missing_is_understood_when_a_table_uses_it(tmp_path: Path) -> None:
    words = ["?", "-", "NA", "N/A", "null", "NaN", "", "None", "--"]
    table = read(tmp_path, "n,t\n1,x\n" + "".join(f"{word},{word}\n" for word in words if word) + ",\n2,y\n")
    assert values(table.columns["n"]) == [1.0, *[None] * len(words), 2.0]
    assert values(table.columns["t"]) == ["x", *[None] * len(words), "y"]


def test_every_word_for_missing_is_understood_when_spaces_are_around_it(tmp_path: Path) -> None:
    table = read(tmp_path, "n ,t,u\n 1 , x ,1\n null , N/A ,1\n NaN , None ,1\n 2 , y ,1\n")
    assert values(table.columns["n"]) == [1.0, None, None, 2.0]
    assert values(table.columns["t"]) == ["x", None, None, "y"]
    assert table.warnings == []


def test_a_word_for_missing_means_the_same_when_the_table_is_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame({"t": ["x", "null", "None", "N/A", "NaN", "?", "y"], "u": 1})
    frame.to_parquet(tmp_path / "t.parquet")
    table = tables.read([tmp_path / "t.parquet"])
    assert values(table.columns["t"]) == ["x", *[None] * 5, "y"]


def test_numbers_keep_their_size_when_one_cell_is_none_and_the_file_has_decimal_commas(tmp_path: Path) -> None:
    rows = ["k.A.;1,5", *["0,123;2,5", "1,234;3,5"] * 15]
    column = read(tmp_path, "a;b\n" + "\n".join(rows) + "\n").columns["a"]
    assert values(column)[:3] == pytest.approx([None, 0.123, 1.234])


def test_numbers_keep_their_size_when_one_file_has_decimal_commas_and_another_points(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a;b\n1.234,5;1,5\n2,5;1,5\n")
    (tmp_path / "b.csv").write_text("a,b\n7.25,2.5\n8.5,2.5\n")
    columns = tables.read([tmp_path / "a.csv", tmp_path / "b.csv"]).columns
    assert values(columns["b"]) == [1.5, 1.5, 2.5, 2.5]
    assert values(columns["a"]) == [1234.5, 2.5, 7.25, 8.5]


def test_names_stay_as_they_are_when_they_are_odd(tmp_path: Path) -> None:
    table = read(tmp_path, '"say ""hi""",Größe (cm),a b,<b>../x</b>\n1,2,3,4\n1,2,3,4\n')
    assert list(table.columns) == ['say "hi"', "Größe (cm)", "a b", "<b>../x</b>"]


def test_a_row_number_is_left_out_and_reported_when_the_first_column_has_no_name(tmp_path: Path) -> None:
    table = read(tmp_path, ",a,b\n1,5,x\n2,6,y\n")
    assert list(table.columns) == ["a", "b"]
    assert any("numbers the rows" in note for note in table.notes)


@pytest.mark.parametrize("name", ["index", "Row", "row_id", "Unnamed: 0"])
@pytest.mark.parametrize(
    ("values_of", "left_out"),
    [
        pytest.param(lambda i: i, True, id="counts up"),
        pytest.param(lambda i: i % 50, True, id="counts up in each of several files"),
        pytest.param(lambda i: (i * 7) % 101, True, id="shuffled"),
        pytest.param(lambda i: (i * 7) % 12, False, id="a measure"),
        pytest.param(lambda i: i + 0.5 * (i % 3), False, id="fractions"),
        pytest.param(lambda i: "abc"[i % 3], False, id="words"),
    ],
)
def test_a_column_called_like_a_row_number_is_left_out_only_when_it_is_one(
    tmp_path: Path, name: str, values_of: Callable[[int], object], left_out: bool
) -> None:
    table = read(tmp_path, f"{name},b\n" + "".join(f"{values_of(i)},{i % 2}\n" for i in range(100)))
    assert (name not in table.columns) == left_out
    said = [*table.notes, *table.warnings]
    assert any("numbers the rows" in text or "as row numbers" in text for text in said) == left_out


def test_true_and_false_are_booleans_but_yes_and_no_stay_texts_when_they_are_read(tmp_path: Path) -> None:
    table = read(tmp_path, "a,b,c\nTrue,true,yes\nFalse,,no\nTrue,FALSE,\n")
    assert values(table.columns["a"]) == [1.0, 0.0, 1.0]
    assert values(table.columns["b"]) == [1.0, None, 0.0]
    assert [getattr(table.columns[name], "boolean", None) for name in "abc"] == [True, True, None]
    assert values(table.columns["c"]) == ["yes", "no", None]


def test_numbers_are_found_when_they_are_written_as_text(tmp_path: Path) -> None:
    table = read(tmp_path, 'a,b\n"1,234.5",5%\n-7,12.5 %\n"2,000",3\n')
    assert values(table.columns["a"]) == [1234.5, -7.0, 2000.0]
    assert values(table.columns["b"]) == [5.0, 12.5, 3.0]


def test_a_few_words_among_numbers_become_missing_with_a_warning_when_they_are_few(tmp_path: Path) -> None:
    table = read(tmp_path, "a,b\n" + "".join(f"{i},x\n" for i in range(99)) + "oops,y\n")
    assert values(table.columns["a"])[-2:] == [98.0, None]
    assert table.warnings == ["Column 'a': 1 non-numeric value treated as missing ('oops')."]


def test_infinite_values_become_missing_with_a_count_when_there_are_any(tmp_path: Path) -> None:
    table = read(tmp_path, "a,b\ninf,1\n-inf,2\n1e309,3\n1e39,4\n5,5\n")
    assert values(table.columns["a"]) == [None, None, None, None, 5.0]
    assert table.warnings == ["Column 'a': 4 infinite values treated as missing."]


@pytest.mark.parametrize("header", ["customer_id", "customerId", "ID"])
def test_identifiers_and_free_text_are_opaque_when_they_are_read(tmp_path: Path, header: str) -> None:
    rows = "".join(f"{i},person {i},2024-01-{i % 28 + 1:02d},{i % 3}\n" for i in range(120))
    table = read(tmp_path, f"{header},name,day,n\n{rows}")
    assert [name for name, column in table.columns.items() if isinstance(column, UnusableColumn)] == [
        header,
        "name",
    ]
    assert isinstance(table.columns["day"], DateColumn)


def test_codes_keep_their_zeros_when_later_pieces_are_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "CHUNK_ROWS", 4)
    table = read(tmp_path, "a,b\n007,1\n7,2\n,3\n8,4\n" + "x,5\n" * 8)
    assert values(table.columns["a"]) == ["007", "7", None, "8", *["x"] * 8]
    assert values(table.columns["b"]) == [1.0, 2.0, 3.0, 4.0, *[5.0] * 8]


def test_a_piece_without_values_is_of_any_kind_when_others_have_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "CHUNK_ROWS", 2)
    table = read(tmp_path, "a,b,c\n,,\n,,\nx,1,True\ny,2,False\n")
    assert values(table.columns["a"]) == [None, None, "x", "y"]
    assert values(table.columns["b"]) == [None, None, 1.0, 2.0]
    assert getattr(table.columns["c"], "boolean", False)


def test_texts_are_given_up_but_still_told_apart_when_there_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "a,b\n" + "".join(f"word {i},1\n" for i in range(200))
    whole = read(tmp_path, text).columns["a"]
    monkeypatch.setattr(frames, "CHUNK_ROWS", 50)
    monkeypatch.setattr(column_builder, "MAX_LABELS", 60)
    given_up = read(tmp_path, text).columns["a"]
    assert isinstance(given_up, UnusableColumn)
    assert given_up.hashes().tolist() == whole.hashes().tolist()
    assert len(set(given_up.hashes().tolist())) == 200


def test_parquet_gives_the_same_columns_when_it_holds_the_same_table(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "n": [1.5, None, 3.0],
            "i": pd.array([1, None, 3], dtype="Int64"),
            "b": [True, False, True],
            "t": pd.Categorical(["x", None, "y"]),
            "when": pd.date_range("2024", periods=3),
            "list": [[1], [2], [3]],
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    frame.drop(columns=["when", "list"]).to_csv(tmp_path / "t.csv", index=False)
    columns = tables.read([tmp_path / "t.parquet"]).columns
    as_csv = tables.read([tmp_path / "t.csv"]).columns
    assert {name: values(columns[name]) for name in "nibt"} == {name: values(as_csv[name]) for name in "nibt"}
    assert {name: columns[name].hashes().tolist() for name in "nibt"} == {
        name: as_csv[name].hashes().tolist() for name in "nibt"
    }
    assert isinstance(columns["when"], DateColumn)
    assert values(columns["when"])[0] == "2024-01-01T00:00:00"
    assert isinstance(columns["list"], UnusableColumn)


def test_bytes_are_texts_when_they_are_utf_8_and_left_out_when_not(tmp_path: Path) -> None:
    table = pa.table(
        {
            "text": pa.array(["Größe".encode(), None, b"x "], pa.binary()),
            "digits": pa.array([b"1", b"2", b"3"], pa.large_binary()),
            "picture": pa.array([b"x", b"\xff\x00", None], pa.binary()),
            "key": pa.array([b"ab", b"cd", b"ef"], pa.binary(2)),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    columns = tables.read([tmp_path / "t.parquet"]).columns
    assert values(columns["text"]) == ["Größe", None, "x"]
    assert values(columns["digits"]) == [1.0, 2.0, 3.0]
    reasons = [column.reason for column in columns.values() if isinstance(column, UnusableColumn)]
    assert reasons == ["binary values that are not text"] * 2


def test_whole_numbers_are_the_same_texts_when_one_file_has_gaps_and_another_words(tmp_path: Path) -> None:
    pd.DataFrame({"a": pd.array([3, None, 4], dtype="Int64"), "b": 1}).to_parquet(tmp_path / "1.parquet")
    pd.DataFrame({"a": ["3", "x", "4"], "b": 1}).to_parquet(tmp_path / "2.parquet")
    table = tables.read([tmp_path / "1.parquet", tmp_path / "2.parquet"])
    assert values(table.columns["a"]) == ["3", None, "4", "3", "x", "4"]


def test_files_are_joined_when_their_columns_come_in_another_order(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("a,b\n1,x\n")
    (tmp_path / "2.csv").write_text("b,a\ny,2\n")
    table = tables.read([tmp_path / "1.csv", tmp_path / "2.csv"])
    assert (values(table.columns["a"]), values(table.columns["b"]), table.n_rows) == ([1.0, 2.0], ["x", "y"], 2)


def test_a_long_cell_is_only_text_when_it_is_read(tmp_path: Path) -> None:
    table = read(tmp_path, b"a,b\n1,x\n2," + b"y" * 900_000 + b"\n")
    assert [len(value) for value in values(table.columns["b"])] == [1, 900_000]


def test_a_huge_cell_is_refused_when_it_would_cost_too_much_memory(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, b"a,b\n1,x\n2," + b"y" * 2_200_000 + b"\n")
    assert caught.value.id == "DATA-19"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_all_rows_are_read_when_a_file_is_longer_than_its_inspected_head(tmp_path: Path, end: str) -> None:
    table = read(tmp_path, end.join(["a,b", *["1,é"] * 300_000]))
    assert table.n_rows == 300_000
    assert list(table.columns) == ["a", "b"]


CELLS = st.sampled_from(
    ["", "1", "-2.5", "1e309", "x", "é", '"', '""', "'", " ", "NA", "True", "a b", '"q,r"', "\t", ";", "=1+1"]
)


@given(
    header=st.lists(st.sampled_from(["a", "b", "c", "", "a b", '"x"', "../x", "1"]), min_size=1, max_size=4),
    rows=st.lists(st.lists(CELLS, min_size=0, max_size=5), max_size=6),
    separator=st.sampled_from([",", ";", "\t"]),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
)
@settings(max_examples=150, deadline=None)
def test_a_table_or_a_named_problem_comes_out_when_the_text_is_hostile(
    tmp_path_factory: pytest.TempPathFactory, header: list[str], rows: list[list[str]], separator: str, ending: str
) -> None:
    text = ending.join(separator.join(cells) for cells in [header, *rows])
    try:
        table = read(tmp_path_factory.mktemp("hostile"), text)
    except DataError:
        return  # every other exception fails the test
    assert all(len(column.hashes()) == table.n_rows for column in table.columns.values())


def test_every_type_of_parquet_is_read_when_it_has_values(tmp_path: Path) -> None:
    n = 40
    day = dt.datetime.fromisoformat("2020-01-01T12:00:00+01:00")
    table = pa.table(
        {
            "decimal": pa.array([Decimal(f"{i % 7}.25") if i else None for i in range(n)], pa.decimal128(12, 2)),
            "words": pa.array(["x", "y"] * (n // 2)).dictionary_encode(),
            "zoned": pa.array([day + dt.timedelta(days=i % 28) for i in range(n)], pa.timestamp("us", "Europe/Berlin")),
            "day": pa.array([(day + dt.timedelta(days=i % 28)).date() for i in range(n)]),
            "lasts": pa.array([dt.timedelta(hours=6 * (i % 7)) for i in range(n)]),
            "who": pa.array([{"age": i * 7 % 11, "at": {"city": "uv"[i % 2]}} for i in range(n)]),
            "tags": pa.array([[1, 2]] * n),
            "account": pa.array([2**60 + (i % 3) for i in range(n)], pa.int64()),
            "half": pa.array([float(i % 5) for i in range(n)], pa.float16()),
            "flag": pa.array([True, None] * (n // 2)),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    columns = tables.read([tmp_path / "t.parquet"]).columns
    assert values(columns["decimal"])[:2] == [None, 1.25]
    assert values(columns["words"])[:2] == ["x", "y"]
    assert values(columns["zoned"])[0] == "2020-01-01T11:00:00"
    assert values(columns["day"])[1] == "2020-01-02T00:00:00"
    assert values(columns["lasts"])[:2] == [0, 0.25]
    assert values(columns["who.age"])[:2] == [0, 7]
    assert values(columns["who.at.city"])[:2] == ["u", "v"]
    assert isinstance(columns["tags"], UnusableColumn)
    assert values(columns["account"])[:2] == ["1152921504606846976", "1152921504606846977"]
    assert values(columns["half"])[:2] == [0, 1]
    assert values(columns["flag"])[:2] == [1, None]


def test_a_number_such_as_minus_999_is_said_when_it_stands_far_from_all_others(tmp_path: Path) -> None:
    rows = "".join(f"{-999 if i % 10 == 0 else i * 7 % 31 + 0.5},{i % 2}\n" for i in range(60))
    table = read(tmp_path, "a,b\n" + rows)
    assert table.warnings == [
        "Column 'a': -999 stands in 6 rows, far from all other values. If it means missing, name it in columns.a.missing."
    ]
    column = tables.read([tmp_path / "t.csv"], options={"a": ColumnOptions(missing=("-999",))}).columns["a"]
    assert values(column)[:2] == [None, 7.5]
    usual = "".join(f"{i * 7 % 1000},{i % 2}\n" for i in range(1000))
    assert read(tmp_path, "a,b\n" + usual + "999,1\n999,0\n").warnings == []


@pytest.mark.parametrize("number", ["9744946860916736123", "-1152921504606846976"])
def test_long_numbers_stay_exact_when_some_are_missing(tmp_path: Path, number: str) -> None:
    rows = "".join(f"{number[:-1]}{i % 7 + 1},{i % 2}\n" if i % 9 else f",{i % 2}\n" for i in range(60))
    column = read(tmp_path, "a,b\n" + rows).columns["a"]
    assert values(column)[:3] == [None, f"{number[:-1]}2", f"{number[:-1]}3"]


def test_the_first_column_is_kept_when_it_has_no_name_but_words_or_measures(tmp_path: Path) -> None:
    words = "".join(f"{['north', 'south'][i % 2]},{i * 7 % 11}\n" for i in range(30))
    assert values(read(tmp_path, ",b\n" + words).columns["column 1"])[:2] == ["north", "south"]
    numbers = "".join(f"{i},{i * 7 % 11}\n" for i in range(30))
    assert list(read(tmp_path, ",b\n" + numbers).columns) == ["b"]


def test_numbers_of_rows_are_kept_when_there_is_nothing_else_to_predict_from(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "".join(f"{i + 1},{i * i + 0.5}\n" for i in range(30)))
    table = tables.read([path], target="y")
    assert list(table.columns) == ["y", "x"]
    assert table.warnings == ["Column 'x' may number the rows; it is kept, since there is no other to predict from."]


def test_the_target_stays_when_it_counts_up(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,no\n" + "".join(f"{i * 7 % 31}.5,{i + 1}\n" for i in range(60)))
    assert "no" in tables.read([path], target="no").columns


@pytest.mark.parametrize("name", ["hr", "v", "zone"])
def test_hours_of_days_stay_when_they_count_up_again_and_again_in_one_file(tmp_path: Path, name: str) -> None:
    rows = "".join(f"{i % 24},{i * 7 % 31}.5,{i % 2}\n" for i in range(240))
    assert name in read(tmp_path, f"{name},b,c\n{rows}").columns


@pytest.mark.parametrize("name", ["Kundennummer", "kunden_nr", "MRN", "id_client", "patient_nbr", "ID_code"])
def test_an_identifier_is_left_out_when_its_name_is_another(tmp_path: Path, name: str) -> None:
    rows = "".join(f"{100_000 + i * 7919 % 99_991},{i * 7 % 31}.5\n" for i in range(60))
    assert isinstance(read(tmp_path, f"{name},b\n{rows}").columns[name], UnusableColumn)


@pytest.mark.parametrize(
    "titles",
    ["Sales by region,,\nDate: 2019-01-01,,\n,,\n", "Sales by region\nas of today\n\n", "Sales by region,,\n,,\n"],
)
def test_titles_are_left_out_when_there_are_several(tmp_path: Path, titles: str) -> None:
    rows = "".join(f"{'xyz'[i % 3]},{i * 7 % 31}.5,{i % 2}\n" for i in range(30))
    assert list(read(tmp_path, f"{titles}region,v,target\n{rows}").columns) == ["region", "v", "target"]


def test_a_web_page_is_named_when_it_begins_with_its_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="web page"):
        read(tmp_path, "<table>\n<tr><td>1</td></tr>\n</table>\n")


def test_files_are_one_table_when_their_headers_differ_in_case_and_blanks(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Amount,Region name\n1.5,x\n2.5,y\n")
    (tmp_path / "b.csv").write_text("REGION  NAME, amount \nz,3.5\nx,4.5\n")
    table = tables.read([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert values(table.columns["Amount"]) == [1.5, 2.5, 3.5, 4.5]
    assert values(table.columns["Region name"]) == ["x", "y", "z", "x"]
    assert "b.csv: columns taken for those of a.csv" in table.notes[0]


def test_a_header_of_numbers_is_said_when_it_may_be_a_row(tmp_path: Path) -> None:
    table = read(tmp_path, "0.892,1,x\n" + "".join(f"{i * 7 % 31}.5,{i % 2},y\n" for i in range(30)))
    assert "the header has numbers ('0.892' and '1')" in " ".join(table.notes) or "'0.892', '1'" in " ".join(
        table.notes
    )


def test_a_picture_is_named_when_it_is_called_a_table(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    with pytest.raises(DataError, match="picture"):
        tables.read([path])


def test_a_target_is_kept_when_it_holds_each_number_once(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,RUL\n" + "".join(f"{i * 7 % 31}.5,{149 - i}\n" for i in range(150)))
    assert not isinstance(tables.read([path], target="RUL").columns["RUL"], UnusableColumn)


@pytest.mark.parametrize("header", ["isbn13", "phone_no", "code"])
def test_long_codes_are_left_out_when_nearly_each_row_has_its_own(tmp_path: Path, header: str) -> None:
    rows = "".join(f"{3_425_833_159 + i * 98_765_431 % 4_999_999_999},{i * 7 % 31}.5\n" for i in range(60))
    assert isinstance(read(tmp_path, f"{header},b\n{rows}").columns[header], UnusableColumn)
    times = "".join(f"{1_600_000_000 + i * 86_399},{i * 7 % 31}.5\n" for i in range(60))
    assert isinstance(read(tmp_path, f"stamp,b\n{times}").columns["stamp"], NumberColumn)


@pytest.mark.parametrize("header", ["months", "tenure", "elapsed", "RPM"])
def test_a_measure_stays_when_it_counts_up_and_is_called_like_one(tmp_path: Path, header: str) -> None:
    rows = "".join(f"{i + 1},{i * 7 % 31}.5\n" for i in range(60))
    assert header in read(tmp_path, f"{header},b\n{rows}").columns


@pytest.mark.parametrize("header", ['"x,color,target', 'x,"color,target', 'x,color,"target', '"Report\nx,color,target'])
def test_a_table_or_a_named_problem_comes_out_when_a_quote_in_the_header_is_never_closed(
    tmp_path: Path, header: str
) -> None:
    with contextlib.suppress(DataError):
        read(tmp_path, header + "\n" + "".join(f"{i * 7 % 31},red,{i % 2}\n" for i in range(60)))


@pytest.mark.parametrize("text", ["price\n€0€\n€1€\n€2€\n", "a§b\n1§x\n2§y\n", "sep=€\na€b\n1€x\n"])
def test_a_table_or_a_named_problem_comes_out_when_a_sign_looks_like_a_delimiter(tmp_path: Path, text: str) -> None:
    with contextlib.suppress(DataError):
        read(tmp_path, text)


def test_lists_of_parquet_are_left_out_when_they_are_its_last_column(tmp_path: Path) -> None:
    table = pa.table({"a": [1.5, 3.5, 1.5], "target": [0, 1, 0], "tags": [["x", "y"], ["z"], []]})
    pq.write_table(table, tmp_path / "t.parquet")
    assert isinstance(tables.read([tmp_path / "t.parquet"]).columns["tags"], UnusableColumn)


def test_a_named_problem_comes_out_when_parquet_has_times_that_python_has_not(tmp_path: Path) -> None:
    late = pa.array([86_400_000_000, 1], pa.int64()).cast(pa.time64("us"))
    pq.write_table(pa.table({"a": late, "b": [1, 2]}), tmp_path / "t.parquet")
    with contextlib.suppress(DataError):
        tables.read([tmp_path / "t.parquet"])
