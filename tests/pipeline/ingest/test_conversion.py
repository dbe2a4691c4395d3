"""A table is read whatever it is packed in, and whatever encoding its text has."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather

from pipeline.core.problems import DataError
from pipeline.ingest import conversion, tables, workbooks
from pipeline.ingest.columns import Column, DateColumn, NumberColumn, Table, TextColumn
from tests.builders.workbooks import write_ods, write_xlsx

CSV = b"a,b\n1.5,x\n2.5,y\n"
EXPECTED = {"a": [1.5, 2.5], "b": ["x", "y"]}


def values(column: Column) -> list[Any]:
    if isinstance(column, TextColumn | DateColumn):
        return [text or None for text in column.texts(slice(None))]
    assert isinstance(column, NumberColumn)
    return [None if np.isnan(value) else float(value) for value in column.values]


def all_values(table: Table) -> dict[str, list[Any]]:
    return {name: values(column) for name, column in table.columns.items()}


def refused(path: Path, **more: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        tables.read([path], **more)
    return caught.value


def zipped(content: bytes, name: str = "folder/t.csv") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__MACOSX/._t.csv", b"\0")
        archive.writestr(name, content)
    return buffer.getvalue()


def zstandard(content: bytes) -> bytes:
    packed: bytes = pa.compress(content, codec="zstd", asbytes=True)
    return packed


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("t.csv.gz", gzip.compress),
        ("t.csv.bz2", bz2.compress),
        ("t.csv.xz", lzma.compress),
        ("t.csv.zst", zstandard),
        ("t.zip", zipped),
        ("t.csv", gzip.compress),  # whatever its name says
        ("t.zip", lambda content: zipped(gzip.compress(content))),
    ],
)
def test_a_packed_table_is_read_when_it_is_one(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / name
    path.write_bytes(pack(CSV))
    table = tables.read([path], scratch=tmp_path)
    assert all_values(table) == EXPECTED
    assert "unpacked" in table.notes[0]
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_an_archive_is_refused_when_it_holds_several_files(tmp_path: Path) -> None:
    path = tmp_path / "t.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", CSV)
        archive.writestr("../b.csv", CSV)
    problem = refused(path)
    assert problem.id == "DATA-25"
    assert "'a.csv', '../b.csv'" in problem.why


def test_a_bomb_is_refused_and_nothing_is_left_of_it_when_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "MAX_UNPACKED_BYTES", 2**20)
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 2**20))
    assert refused(path, scratch=tmp_path).id == "DATA-27"
    assert [each.name for each in tmp_path.iterdir()] == ["t.csv.gz"]


def test_a_file_is_damaged_when_it_breaks_off(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(CSV * 1000)[:-20])
    assert refused(path).id == "DATA-09"


ROWS: list[list[object]] = [
    ["n", "code", "ok", "t"],
    [1, "007", True, "x"],
    [2.5, "7", False, "#DIV/0!"],
    [None, "08", True, "y"],
]


@pytest.mark.parametrize("write", [write_xlsx, write_ods])
def test_a_workbook_is_read_when_one_sheet_is_filled(tmp_path: Path, write: Callable[..., Path]) -> None:
    rows = (
        ROWS
        if write is write_xlsx
        else [[str(cell).lower() if isinstance(cell, bool) else cell for cell in row] for row in ROWS]
    )
    path = write(tmp_path / "t.xlsx", {"notes": [], "data": rows})
    table = tables.read([path])
    assert all_values(table) == {
        "n": [1, 2.5, None],
        "code": ["007", "7", "08"],
        "ok": [1, 0, 1],
        "t": ["x", None, "y"],
    }
    assert table.notes[0] == "t.xlsx: read from the sheet 'data'"


def test_the_sheet_is_asked_for_when_several_are_filled(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "t.xlsx", {"first": ROWS, "second": [["p", "q"], [1.5, "x"], [2.5, "y"]]})
    problem = refused(path)
    assert (problem.id, "'first', 'second'" in problem.why) == ("DATA-26", True)
    assert all_values(tables.read([path], sheet="second")) == {"p": [1.5, 2.5], "q": ["x", "y"]}
    assert "no sheet 'third'" in refused(path, sheet="third").what


@pytest.mark.parametrize("as_list", [False, True])
def test_json_records_are_read_when_they_are_lines_or_a_list(tmp_path: Path, as_list: bool) -> None:
    records = [
        {"n": 1.5, "who": {"name": "x", "zip": "00501"}, "ok": True, "tags": [1, 2]},
        {"n": None, "who": {"name": "line\nbreak", "zip": "94110"}, "ok": False, "late": 3},
    ]
    path = tmp_path / "t.json"
    path.write_text(json.dumps(records) if as_list else "\n".join(map(json.dumps, records)))
    table = tables.read([path])
    assert all_values(table) == {
        "n": [1.5, None],
        "who.name": ["x", "line\nbreak"],
        "who.zip": ["00501", "94110"],
        "ok": [1, 0],
        "late": [None, 3],
    }
    assert "lists are left out: tags" in table.notes[0]


def test_json_is_damaged_when_a_line_is_none(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": 1}\n{"a": \n')
    assert refused(path).id == "DATA-09"


def test_feather_is_read_when_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "t.feather"
    feather.write_feather(pa.table({"a": [1.5, 2.5], "b": ["x", "y"]}), path)
    assert all_values(tables.read([path])) == EXPECTED


TEXTS = {
    "utf-16": "name,stadt\nMüller,Köln\nJosé,東京\n",
    "utf-8-sig": "name,stadt\nMüller,Köln\nJosé,Málaga\n",
    "cp1252": "name,preis\nMüller,5 €\nJosé,“sechs”\n",
    "latin-1": "name,stadt\nMüller,Köln\nJosé,Málaga\n",
    "mac_roman": "name,ville\nRené,Orléans\nZoë,Besançon\n",
    "shift_jis": "名前,都市\n田中,東京\n鈴木,大阪\n",
    "gb18030": "姓名,城市\n王伟,北京\n李娜,上海\n",
}


@pytest.mark.parametrize("encoding", TEXTS)
@pytest.mark.parametrize("late", [False, True])
def test_letters_are_right_and_the_encoding_is_said_when_it_is(tmp_path: Path, encoding: str, late: bool) -> None:
    header, *rows = TEXTS[encoding].splitlines()
    filler = ["x,y"] * (300_000 if late else 0)
    path = tmp_path / "t.csv"
    path.write_bytes("\n".join([header, *filler, *rows, ""]).encode(encoding))
    table = tables.read([path])
    names = header.split(",")
    assert list(table.columns) == names
    column = table.columns[names[0]]
    assert isinstance(column, TextColumn)
    assert column.labels[-2:] == [row.split(",")[0] for row in rows]
    assert any("read as" in note for note in table.notes) == (encoding != "utf-8-sig")


def test_times_of_a_workbook_are_dates_when_they_are_read() -> None:
    cells = [
        datetime.fromisoformat("2020-01-31T14:05:00"),
        date(2020, 1, 31),
        time(14, 5),
        timedelta(hours=12),
        3.0,
        0.1,
    ]
    assert [workbooks.cell_text(cell) for cell in cells] == [
        "2020-01-31T14:05:00",
        "2020-01-31",
        "14:05:00",
        "0.5",
        "3",
        "0.1",
    ]


def test_a_text_is_refused_when_it_makes_sense_in_no_encoding(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    noise = np.random.default_rng(0).integers(1, 256, (300, 12), dtype=np.uint8)
    path.write_bytes(b"a,b\n" + b"".join(row.tobytes().replace(b"\n", b"x") + b",1\n" for row in noise))
    assert refused(path).id == "DATA-04"


RECORDS: list[dict[str, object]] = [{"a": 1.5, "b": "x"}, {"a": 2.5, "b": "y"}, {"a": None, "b": "x"}]


@pytest.mark.parametrize(
    "document",
    [
        {"count": 3, "data": RECORDS},
        {"columns": ["a", "b"], "index": [0, 1, 2], "data": [[row["a"], row["b"]] for row in RECORDS]},
        {name: {str(i): row[name] for i, row in enumerate(RECORDS)} for name in "ab"},
        {name: [row[name] for row in RECORDS] for name in "ab"},
        RECORDS,
    ],
)
def test_a_json_document_is_a_table_when_it_is_wrapped_or_by_columns(tmp_path: Path, document: object) -> None:
    for indent in (None, 1):
        path = tmp_path / "t.json"
        path.write_text(json.dumps(document, indent=indent))
        columns = tables.read([path]).columns
        assert values(columns["a"]) == [1.5, 2.5, None]
        assert values(columns["b"]) == ["x", "y", "x"]


def test_japanese_is_read_when_it_is_in_the_encoding_of_mail(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("city,n\n東京,1.5\n大阪,2.5\n東京,0.5\n".encode("iso2022_jp"))
    table = tables.read([path])
    assert values(table.columns["city"]) == ["東京", "大阪", "東京"]
    assert table.notes == ["t.csv: read as ISO-2022-JP"]
