"""Every page for who uses no mouse, reads with another's voice, or has large fingers: axe-core in Chromium, on each route there is."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from web.rights import RIGHTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
LAYOUT = ["nested-interactive", "scrollable-region-focusable", "target-size"]
"""Rules whose answer depends on how wide the window is."""
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
"""All rules; but for those above, and contrast for the other theme, once a page is enough."""
WIDTHS, THEMES = (1440, 390), ("light", "dark")
PARTS = {"GET /cards", "GET /runs/{run}/live"}
"""Routes that give a part of a page, for htmx to put into one that is looked at."""
FILES = {
    "POST /mismatches/export.csv",
    "POST /mismatches/export.xlsx",
    "POST /runs/{run}/export.csv",
    "POST /runs/{run}/export.xlsx",
}
"""Routes that give a file."""
LANGUAGE = "POST /language"
"""Changes the language of what follows."""
SUBMIT = """([path, fields]) => {
  const form = document.createElement("form");
  form.method = "post";
  form.action = path;
  fields = {...fields, csrf_token: document.querySelector("meta[name=csrf-token]").content};
  for (const [name, value] of Object.entries(fields)) {
    const field = document.createElement("input");
    field.type = "hidden";
    [field.name, field.value] = [name, value];
    form.append(field);
  }
  document.body.append(form);
  form.submit();
}"""


def each_page(page: Page, story: dict[str, str]) -> Iterator[str]:
    """Open every page there is, one after the other: those of the story, and where each route leads; gives its name."""
    holds = {name: story[of].rsplit("/", 1)[1] for name, of in (("run", "run"), ("mismatch", "mismatch_P1"))}
    paths = {key: (rule.path or key.split(" ")[1]).format(env="demo", **holds) for key, rule in RIGHTS.items()}
    reading = {key: path for key, path in paths.items() if key.startswith("GET") and key not in PARTS}
    for name, path in {**story, **reading, "nothing there": "/nothing"}.items():
        page.goto(path.lstrip("/"))
        yield name
    for key in sorted(paths.keys() - reading.keys() - PARTS - FILES - {LANGUAGE}):
        page.goto("people")
        with page.expect_navigation():
            page.evaluate(SUBMIT, [f"/moodle{paths[key]}", RIGHTS[key].form])
        yield key


def violations(page: Page, *only: str) -> set[str]:
    """Give what axe finds on the page as it stands now."""
    found = page.evaluate("only => axe.run(document, {runOnly: only, resultTypes: ['violations']})", list(only))
    return {f"{one['id']}: {node['html'][:200]}" for one in found["violations"] for node in one["nodes"]}


def in_each_window(page: Page, themes: tuple[str, ...]) -> set[str]:
    """Give what is wrong in the page's layout, wide and narrow."""
    found = set()
    for theme in themes:
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            found |= violations(page, *LAYOUT)
            if page.evaluate("document.documentElement.scrollWidth") > width:
                found.add(f"wider than its window of {width}")
    return found


@pytest.mark.parametrize("language", ["en-GB", "nl-NL"])
def test_axe_finds_nothing_on_any_page(story: dict[str, str], opened: Callable[..., Page], language: str) -> None:
    page, wrong = opened("op", locale=language), []
    for name in each_page(page, story):
        page.evaluate(AXE)
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        found = in_each_window(page, THEMES if language == "en-GB" else ("light",))
        if language == "en-GB":
            found |= violations(page, "color-contrast")  # dark and narrow
            page.emulate_media(color_scheme="light")
            found |= violations(page, *TAGS)
        wrong += [f"{name}: {one}" for one in sorted(found)]
    assert not wrong, "\n".join(wrong)


def tabs_to(page: Page, reached: str) -> int:
    """Count the tabs until the focus is in what ``reached`` selects, taking the skip link to the list on the way."""
    for number in range(1, 100):
        page.keyboard.press("Tab")
        if page.evaluate("reached => document.activeElement.closest(reached) !== null", reached):
            return number
        if page.evaluate("document.activeElement.matches('a.skip[href=\"#list\"]')"):
            page.keyboard.press("Enter")
    raise AssertionError(reached)


def test_the_first_tab_stop_skips_to_the_content(story: dict[str, str], opened: Callable[..., Page]) -> None:
    page = opened("op")
    for path in ("", "mismatches", "runs", story["run"].lstrip("/"), "environments/demo"):
        page.goto(path)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.getAttribute('href')") == "#content"
        assert page.locator("a.skip").first.bounding_box()["y"] >= 0  # type: ignore[index]
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"


@pytest.mark.parametrize(
    ("of", "row", "tabs"),
    [
        ("mismatches", "table.mismatches > tbody > tr", 3),
        ("run", "table.rows > tbody > tr", 3),
        ("runs", "table.stack > tbody > tr", 10),
        ("environments", ".card", 10),
    ],
)
def test_how_many_tabs_lead_to_the_first_row(
    story: dict[str, str], opened: Callable[..., Page], of: str, row: str, tabs: int
) -> None:
    page = opened("op")
    page.goto(story[of].lstrip("/"))
    assert tabs_to(page, row) <= tabs
