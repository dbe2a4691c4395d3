"""The Data page shows how each column is read before a run, and takes what a person decides about it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.axe import violations
from tests.browser.conftest import RUN_MS, TABLE, PanelProcess, watch

pytestmark = pytest.mark.browser

ROWS = "".join(
    f"{1 + i * 7 % 31}.{100 + i % 800},{'NA' if i % 4 else 'ZA'},{1 + i % 28:02}.0{1 + i % 9}.2023,$1,{i % 900 + 100:03}.50,"
    f"s-{'yes' if i % 3 else 'no'}-{i % 6},{'withheld' if i % 9 == 0 else i * 13 % 101},{'yes' if i % 3 else 'no'}\n"
    for i in range(300)
).replace("$1,", '"$1,').replace(".50,s-", '.50",s-')  # fmt: skip
LONG = "a column whose name is so long that it has to be broken into several lines to fit a narrow page"
ODD = f"menge,land,tag,preis,status,{LONG},target\n{ROWS}"


@pytest.fixture
def odd_table(panel: PanelProcess) -> Iterator[None]:
    """Put an odd table in place of the usual one."""
    raw = panel.data_dir / "raw"
    panel.wait_idle()
    (raw / "people.csv").write_text(ODD, "utf-8")
    yield
    panel.wait_idle()
    (raw / "people.csv").write_text(TABLE)


@pytest.mark.usefixtures("odd_table")
def test_a_column_is_read_as_a_person_decides_when_it_is_changed_on_the_page(page: Page, panel: PanelProcess) -> None:
    page.goto(panel.url + "/data")
    preview = page.locator("#preview")
    expect(preview).to_contain_text("300 rows, 7 columns")
    expect(preview).to_contain_text("DATA-11")  # the target of the table before
    expect(preview.get_by_role("row", name="preis")).to_contain_text("without '$'")
    expect(preview.get_by_role("row", name="tag")).to_contain_text("date")
    expect(preview).to_contain_text("read as missing: 'NA' 225 times")
    assert violations(page) == []
    page.get_by_label("Target, the column to predict").select_option("target")
    page.get_by_role("button", name="Show again with changes").click()
    expect(preview.get_by_role("row", name="status")).to_contain_text("possible leakage")
    row = preview.locator("tr.change").filter(has_text="how land is read")
    row.locator("summary").click()
    row.get_by_label("Words that are values").fill("NA")
    row.get_by_label("Words that are values").press("Enter")  # shows again, starts nothing
    expect(page.get_by_text("nothing is kept until a run starts")).to_be_visible()
    expect(preview).not_to_contain_text("read as missing: 'NA'")
    page.get_by_role("button", name="Run with these").click()
    expect(page.locator("h1")).to_contain_text("succeeded", timeout=RUN_MS)
    params = panel.api(f"/api/v1/runs/{panel.runs()[0]['number']}")["params"]
    assert (params["target"], params["columns"]["land"]["kept"], params["ignore"]) == ("target", ["NA"], [])
    # A feature that gives the target away is one click from a run without it.
    expect(page.locator("#run")).to_contain_text("status determines target exactly: possible target leakage.")
    page.get_by_role("button", name="Train without it (status)").click()
    expect(page.locator("#run")).not_to_contain_text("status determines", timeout=RUN_MS)
    expect(page.locator("h1")).to_contain_text("succeeded", timeout=RUN_MS)
    params = panel.api(f"/api/v1/runs/{panel.runs()[0]['number']}")["params"]
    assert (params["columns"]["land"]["kept"], params["ignore"]) == (["NA"], ["status"])


@pytest.mark.usefixtures("odd_table")
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_when_columns_are_odd(browser: Browser, panel: PanelProcess, width: int, scheme: str) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page = context.new_page()
    complaints: list[str] = []
    watch(page, complaints)
    page.goto(panel.login_url)
    page.goto(panel.url + "/data")
    expect(page.locator("#preview table")).to_be_visible()
    page.locator("#preview details").nth(1).locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert complaints == []
    context.close()
