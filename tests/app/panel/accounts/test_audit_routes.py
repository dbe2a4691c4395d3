"""The audit as people read it: filtered, page by page, and as files that are safe to open."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest

from app.panel.accounts.export import _cell
from app.panel.audit.actor import Actor
from app.panel.audit.record import record
from tests.app.panel.accounts.conftest import Access

EVIL = "=HYPERLINK(1)"


def fill(access: Access, n: int, actor: str = "anna", action: str = "run.start") -> None:
    with access.db.write() as tx:
        for number in range(n):
            record(tx, access.clock.now(), action, f"run {number}", actor=Actor(actor, "password", "203.0.113.5"))


def test_pages_of_64_follow_each_other_when_there_are_more(access: Access) -> None:
    fill(access, 100)
    admin = access.as_user("admin")
    first = admin.get("/access/audit").text
    assert first.count("<tr>") - 1 == 64
    assert "run 99<" in first
    older = first.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    second = admin.get(older).text
    assert "run 35<" in second
    assert "run 36<" not in second
    assert 'rel="next"' not in second


def test_only_what_was_asked_for_is_listed_when_filtered(access: Access) -> None:
    fill(access, 2)
    fill(access, 3, "vera", "runner.up")
    admin = access.as_user("admin")

    def n_rows(query: str) -> int:
        return len(admin.get(f"/access/audit/export.ndjson?{query}").text.splitlines())

    assert n_rows("actor=anna") == 2
    assert n_rows("action=run") == n_rows("action=run.start") == 2
    assert n_rows("action=runner") == 3
    assert n_rows("action=%25") == 0
    assert n_rows("outcome=refused") == 0
    day = access.clock.now().astimezone().date()
    assert n_rows(f"actor=anna&from_day={day}&to_day={day}") == 2
    assert n_rows(f"to_day={day - timedelta(days=1)}") == n_rows(f"from_day={day + timedelta(days=1)}") == 0
    assert n_rows("actor=anna&from_day=0001-01-01&to_day=9999-12-31") == 2
    assert n_rows("actor=anna&from_day=yesterday") == 2


def test_no_cell_is_a_formula_when_exported_as_csv(access: Access) -> None:
    with access.db.write() as tx:
        for start in ("=", "+", "-", "@", "\t", "\r"):
            record(tx, access.clock.now(), "data.upload", f"{start}1+1", actor=Actor(EVIL, "password", "@here"))
    answer = access.as_user("admin").get("/access/audit/export.csv?action=data")
    assert answer.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    assert answer.headers["content-security-policy"] == "sandbox"
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [row["target"] for row in rows] == [f"'{start}1+1" for start in reversed("=+-@\t\r")]
    assert {(row["actor"], row["address"]) for row in rows} == {(f"'{EVIL}", "'@here")}


@pytest.mark.parametrize("separator", [";", "\t", "|", "\n"])
def test_no_part_of_a_cell_is_a_formula_when_a_spreadsheet_separates_at_it(separator: str) -> None:
    assert _cell(f"x{separator}=1+1{separator}") == f"x{separator}'=1+1{separator}"
    assert _cell(f"a{separator}b=c") == f"a{separator}b=c"


def test_export_is_whole_when_it_is_larger_than_one_read(access: Access) -> None:
    fill(access, 2100)
    answer = access.as_user("admin").get("/access/audit/export.ndjson?actor=anna")
    assert answer.headers["content-security-policy"] == "sandbox"
    entries = [json.loads(line) for line in answer.text.splitlines()]
    assert [entry["target"] for entry in entries] == [f"run {number}" for number in reversed(range(2100))]
    assert datetime.fromisoformat(entries[0]["at"]) == datetime(2026, 11, 22, tzinfo=UTC)


def test_page_shows_what_changed_when_something_did(access: Access) -> None:
    admin = access.as_user("admin")
    admin.post("/access/users/vera/role", data={"role": "operator"})
    page = admin.get("/access/audit?action=user.change").text
    assert '<span class="muted">viewer</span> → operator' in page
    assert "<script" not in page.partition("<main")[2]


def test_nothing_becomes_markup_when_an_entry_has_some(access: Access) -> None:
    with access.db.write() as tx:
        record(tx, access.clock.now(), "x.y", "<b>bold</b>", after={"<i>": "<u>"}, actor=Actor("<s>", "token"))
    page = access.as_user("admin").get("/access/audit").text
    assert "<b>" not in page
    assert "<i>" not in page
    assert "<u>" not in page
    assert "<s>" not in page
