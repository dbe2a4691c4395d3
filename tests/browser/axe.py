"""axe in the page under test: what a program can check of WCAG 2.2 A and AA, with the contrast of every text."""

from importlib.resources import files
from typing import Any, Final, Literal

from playwright.sync_api import Page

AXE: Final = files("axe_playwright_python").joinpath("axe.min.js").read_text()
TAGS: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOKS: Final[list[tuple[int, Literal["light", "dark"]]]] = [
    (1280, "light"),
    (390, "light"),
    (390, "dark"),
    (1280, "dark"),
]


def violations(page: Page) -> list[str]:
    """Return the violations that axe finds on the page, in light and dark, wide and narrow; each once."""
    lines: set[str] = set()
    page.evaluate(AXE)
    for width, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        result = page.evaluate("tags => axe.run({runOnly: tags, resultTypes: ['violations']})", TAGS)
        lines |= {
            f"{page.url} {width} {scheme} {rule['id']}: {node['html'][:120]} {node['failureSummary']}"
            for rule in result["violations"]
            for node in rule["nodes"]
            if not _is_line_number(rule, node)
        }
    return sorted(lines)


def _is_line_number(rule: dict[str, Any], node: dict[str, Any]) -> bool:
    """Return True for the number before a line of a log: it is as high as its line, which WCAG 2.5.8 exempts and axe cannot know."""
    return rule["id"] == "target-size" and 'aria-label="Line ' in node["html"]
