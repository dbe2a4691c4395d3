"""The prediction app in a real browser: by mouse, by keyboard, on a phone, and without script."""

import contextlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from app.web.formats import percent
from bench.bundles import make_bundle
from pipeline.core.params import Task
from tests.app.frontend.conftest import Served, app_running
from tests.app.prediction.conftest import TASKS, running
from tests.browser.axe import violations
from tests.browser.conftest import watch

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}
NASTY = ("<img src=x onerror=alert(1)>", "<script>alert(2)</script>", '" autofocus onfocus=alert(3) x="')


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Task, Served]]:
    """Yield an app for each task; the binary one has names that are markup."""
    with contextlib.ExitStack() as stack:
        served_by_task: dict[Task, Served] = {}
        for task in TASKS:
            folder = tmp_path_factory.mktemp(f"browser-{task}")
            built = make_bundle(folder / "models", task=task, names=NASTY if task == "binary" else None)
            api = stack.enter_context(running(folder / "models"))
            api.wait_for(1)
            app = stack.enter_context(app_running(f"http://127.0.0.1:{api.port}", folder / "app.log"))
            served_by_task[task] = Served(app, api, built)
        yield served_by_task


@contextlib.contextmanager
def tab(browser: Browser, served: Served, complaints: list[str], **options: object) -> Iterator[Page]:
    """Yield a tab on the app's first page; fail if the page did what it must not."""
    with contextlib.closing(browser.new_context(base_url=served.app.url, **options)) as context:  # type: ignore[arg-type]  # options of Playwright
        page = context.new_page()
        watch(page, complaints)
        page.on(
            "request", lambda request: complaints.append(request.url) if served.app.url not in request.url else None
        )
        page.goto("/")
        yield page
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert complaints == []


@pytest.mark.parametrize("task", TASKS)
def test_the_answer_takes_the_place_of_the_hint_when_predict_is_pressed(
    browser: Browser, apps: dict[Task, Served], complaints: list[str], task: Task
) -> None:
    with tab(browser, apps[task], complaints) as page:
        page.locator("#row").get_by_role("button", name="Predict").first.click()
        expect(page.locator("#result")).to_be_focused()
        expect(page.locator("#status")).to_contain_text("The model predicts")
        expect(page.locator("[data-status]")).to_have_text(page.locator("#status").inner_text())
        assert "x." in page.url
        page.go_back()
        expect(page.get_by_role("heading", name="The prediction appears here")).to_be_visible()
        page.go_forward()
        expect(page.locator("[data-status]")).to_contain_text("The model predicts")
        page.reload()
        expect(page.locator("[data-status]")).to_contain_text("The model predicts")


def test_the_curve_and_the_answer_follow_when_the_slider_is_moved(
    browser: Browser, apps: dict[Task, Served], complaints: list[str]
) -> None:
    with tab(browser, apps["binary"], complaints) as page:
        page.locator("#row").get_by_role("button", name="Predict").first.click()
        page.get_by_label("Vary").select_option(NASTY[1])
        expect(page.locator(".curve title")).to_contain_text(NASTY[1], use_inner_text=False)
        slider = page.locator("#try")
        slider.focus()
        page.keyboard.press("Home")
        slider_text = page.locator("output").inner_text()
        page.get_by_role("button", name="Apply to the form").click()
        expect(page.locator(".big-figure")).to_have_text(slider_text.split(": ")[-1])
        assert page.locator("#f1").input_value() == page.locator(".numbers tr[data-x]").first.get_attribute("data-x")


def test_the_whole_way_works_when_there_is_only_a_keyboard(
    browser: Browser, apps: dict[Task, Served], complaints: list[str]
) -> None:
    with tab(browser, apps["multiclass"], complaints) as page:
        page.keyboard.press("Tab")
        expect(page.get_by_text("Skip to content")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.locator("#row").get_by_role("button", name="Predict").first).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_text("example 2 of")).to_be_visible()
        page.locator("#f0").focus()
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type("33.5")
        page.keyboard.press("Enter")
        expect(page.locator("#result")).to_be_focused()
        expect(page.locator("#f0")).to_have_value("33.5")
        page.keyboard.press("Tab")
        expect(page.get_by_text("Link to this prediction")).to_be_focused()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_usable_without_script_when_the_screen_is_that_of_a_phone(
    browser: Browser, apps: dict[Task, Served], complaints: list[str], task: Task, scheme: str
) -> None:
    served = apps[task]
    options = {"java_script_enabled": False, "viewport": PHONE, "color_scheme": scheme}
    with contextlib.closing(browser.new_context(base_url=served.app.url, **options)) as context:  # type: ignore[arg-type]  # options of Playwright
        page = context.new_page()
        watch(page, complaints)
        page.goto("/")
        page.get_by_role("button", name="Predict").first.click()
        expect(page.locator("[data-status]")).to_be_in_viewport()
        page.get_by_label("Vary").select_option("home city")
        page.get_by_role("button", name="Show").click()
        expect(page.locator("#what-if")).to_be_in_viewport()
        if task != "regression":
            record = {feature.name: feature.example for feature in served.built.manifest.features}
            answer = served.api.predict(record).json()
            score = answer["probabilities"]["1"] if task == "binary" else max(answer["probabilities"].values())
            expect(page.locator(".big-figure")).to_have_text(percent(score))
        page.goto("/table?sample=1")
        page.get_by_role("button", name="Predict").click()
        expect(page.get_by_text("3 rows, all predicted")).to_be_in_viewport()
        with page.expect_download() as download:
            page.get_by_role("link", name="Download all").click()
        assert download.value.suggested_filename == "table-predictions.csv"
        assert complaints == []


def test_the_field_is_reached_from_the_summary_when_its_value_is_wrong(
    browser: Browser, apps: dict[Task, Served], complaints: list[str]
) -> None:
    with tab(browser, apps["multiclass"], complaints, viewport=PHONE) as page:
        with page.expect_response(lambda answer: answer.status == 422):
            page.goto("/?x.age=forty&x.is_member=true")
        page.get_by_role("link", name="Age").click()
        expect(page.locator("#f0")).to_be_focused()
        page.locator("#f0").fill("40")
        page.get_by_role("button", name="Predict").last.click()
        expect(page.locator("[data-status]")).to_contain_text("The model predicts")
        complaints[:] = [text for text in complaints if "422" not in text]


@pytest.mark.parametrize("task", TASKS)
def test_axe_finds_nothing_and_nothing_sticks_out_when_everything_is_open(
    browser: Browser, apps: dict[Task, Served], complaints: list[str], task: Task
) -> None:
    with tab(browser, apps[task], complaints) as page:
        all_violations = []
        for path in ("/", "/table?sample=1"):
            page.goto(path)
            all_violations += violations(page)
            page.get_by_role("button", name="Predict").first.click()
            expect(
                page.locator("#result").get_by_text("Model 1, trained").or_(page.locator(".preview"))
            ).to_be_visible()
            for details in page.locator("details").all():
                details.evaluate("element => element.open = true")
            all_violations += violations(page)
            page.set_viewport_size(PHONE)  # type: ignore[arg-type]  # a plain dict of the same shape
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert all_violations == []


def test_the_answers_are_in_sight_when_the_table_is_wide(
    browser: Browser, apps: dict[Task, Served], complaints: list[str]
) -> None:
    with tab(browser, apps["regression"], complaints, viewport=PHONE) as page:
        page.goto("/table?sample=1")
        page.get_by_role("button", name="Predict").click()
        expect(page.locator("tbody .is-prediction").first).to_be_in_viewport(ratio=1)
