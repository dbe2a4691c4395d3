"""A table in, the same table with predictions out."""

import csv
import io
from pathlib import Path

import httpx2
import pytest

from bench.bundles import records
from pipeline.core.params import Task
from tests.app.frontend.conftest import App, Page, Served
from tests.app.prediction.conftest import TASKS

pytestmark = pytest.mark.process


def post_table(app: App, *, text: str = "", file: bytes | None = None, name: str = "people.csv") -> httpx2.Response:
    """Return the response to the form of the table page."""
    files = {"file": (name if file is not None else "", file or b"", "text/csv")}
    return app.client.post("/table", data={"text": text}, files=files, headers={"Origin": app.url})


def as_csv(rows: list[dict[str, object]], delimiter: str = ",") -> str:
    """Return records as CSV text."""
    out = io.StringIO()
    writer = csv.DictWriter(out, [*rows[0]], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def download(app: App, page: Page) -> tuple[httpx2.Response, list[dict[str, str]]]:
    """Return the file behind the download button, and its rows."""
    href = next(attributes["href"] for tag, attributes in page.tags if tag == "a" and "download" in attributes)
    response = app.client.get(href or "")
    return response, list(csv.DictReader(io.StringIO(response.text)))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_all_rows_come_back_with_the_api_s_answers_when_a_file_is_sent(
    served: dict[Task, Served], task: Task, delimiter: str
) -> None:
    each = served[task]
    rows = [{"note": f"r{i}", **row} for i, row in enumerate(records(each.built, 40))]
    response = post_table(each.app, file=as_csv(rows, delimiter).encode("utf-8-sig"))
    page = Page(response.text)
    assert response.status_code == 200
    assert "40 rows, all predicted" in page.text
    file, result = download(each.app, page)
    assert [row["note"] for row in result] == [row["note"] for row in rows]
    predictions = each.api.predict(
        [{name: value for name, value in row.items() if name != "note"} for row in rows]
    ).json()
    assert [row["prediction"] for row in result] == [str(prediction["prediction"]) for prediction in predictions]
    assert "attachment" in file.headers["content-disposition"]
    assert "people-predictions.csv" in file.headers["content-disposition"]
    assert file.headers["content-security-policy"] == "sandbox"


def test_rows_are_answered_when_they_are_pasted(served: dict[Task, Served]) -> None:
    page = Page(post_table(served["binary"].app, text="age\tnote\n40\t<script>alert(1)</script>\n50\t\n").text)
    assert "2 rows, all predicted" in page.text
    assert next(attributes.get("src", "") or "" for tag, attributes in page.tags if tag == "script").startswith(
        "/static/frontend/"
    )
    assert len([tag for tag, _ in page.tags if tag == "script"]) == 1


def test_the_row_is_named_when_it_cannot_be_answered(served: dict[Task, Served]) -> None:
    page = Page(post_table(served["regression"].app, text="age\n40\nforty\n").text)
    assert "2 rows, 1 failed" in page.text
    assert "Row 2: age: 'forty' is not a number." in page.text
    assert download(served["regression"].app, page)[1][0]["error"] == ""


def test_formulas_are_harmless_and_numbers_stay_when_the_file_is_opened_in_a_spreadsheet(
    served: dict[Task, Served],
) -> None:
    text = 'age,=cmd\n-4,"=HYPERLINK(""http://x"")"\n40,@SUM(A1)\n41,-1.5e3\n'
    _, rows = download(served["binary"].app, Page(post_table(served["binary"].app, text=text).text))
    assert [[row["age"], row["'=cmd"]] for row in rows] == [
        ["-4", '\'=HYPERLINK("http://x")'],
        ["40", "'@SUM(A1)"],
        ["41", "-1.5e3"],
    ]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "is empty"),
        (b"age\n", "no rows"),
        (b"PK\x03\x04rest", "workbook"),
        (b"PAR1rest", "Parquet"),
        (b"<html></html>", "web page"),
        ("größe\nä".encode("latin-1"), "UTF-8"),
        (b"age\n\0\0", "NUL bytes"),
        (b'age\n"' + b"x" * 1_200_000 + b'"\n', "field larger"),
    ],
)
def test_a_table_is_refused_with_a_reason_when_it_cannot_be_read(
    served: dict[Task, Served], content: bytes, word: str
) -> None:
    response = post_table(served["binary"].app, file=content)
    assert response.status_code == 422
    assert "APP-07" in response.text
    assert word in Page(response.text).text


def test_the_api_s_reason_is_shown_when_no_column_is_a_feature(served: dict[Task, Served]) -> None:
    response = post_table(served["binary"].app, text="height,weight\n1,2\n")
    assert response.status_code == 422
    assert "APP-04" in response.text
    assert "No column is a feature of the model" in Page(response.text).text
    assert "height,weight" in response.text


def test_a_table_is_refused_when_it_is_larger_than_the_limit(served: dict[Task, Served]) -> None:
    response = post_table(served["binary"].app, file=b"age\n" + b"40\n" * (11 * 2**20 + 1))
    assert response.status_code == 413
    assert "APP-06" in response.text
    assert "larger than 32 MB" in Page(response.text).text


def test_the_example_works_when_it_is_filled_in(served: dict[Task, Served]) -> None:
    app = served["multiclass"].app
    sample = next(attributes for tag, attributes in Page(app.get("/table", sample="1").text).tags if tag == "textarea")[
        "placeholder"
    ]
    assert "3 rows, all predicted" in Page(post_table(app, text=sample or "").text).text


def test_an_old_result_is_gone_and_says_so_when_it_is_asked_for(served: dict[Task, Served]) -> None:
    response = served["binary"].app.get("/table/nothing.csv")
    assert response.status_code == 410
    assert "APP-08" in response.text


def test_memory_does_not_grow_with_the_table_when_it_is_long(served: dict[Task, Served]) -> None:
    app = served["binary"].app
    before = _rss_bytes(app.pid)
    page = Page(post_table(app, file=b"age\n" + b"40.125\n" * 100_000).text)
    assert "100,000 rows, all predicted" in page.text
    assert _rss_bytes(app.pid) - before < 20 * 2**20


def _rss_bytes(pid: int) -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024
