"""The analyst's pages in Airflow, as people use them: found, filtered, decided, carried out, paused, exported."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any

import pytest
from browser.conftest import PROVISION, RECONCILE, ROOT
from playwright.sync_api import FrameLocator, Locator, Page, expect

from moodle_coupling.orchestration.approval import PLAN

if TYPE_CHECKING:
    from collections.abc import Callable

    from localairflow import LocalAirflow

    from moodle_coupling.sandbox.moodle import SandboxMoodle

    Visit = Callable[..., Page]


def in_airflow(page: Page) -> FrameLocator:
    """Click on Moodle in Airflow's navigation, and give the page that is shown there."""
    page.get_by_role("link", name="Moodle", exact=True).or_(
        page.get_by_role("button", name="Moodle", exact=True)
    ).click()
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="Environments", level=1)).to_be_visible()
    return frame


def mismatches(page: Page) -> FrameLocator:
    frame = in_airflow(page)
    to_mismatches(frame)
    return frame


def to_mismatches(frame: FrameLocator) -> None:
    frame.get_by_role("navigation").get_by_role("link", name="Mismatches", exact=True).click()
    expect(frame.get_by_role("heading", name="Mismatches", level=1)).to_be_visible()


def facet(frame: FrameLocator, name: str, value: str) -> Locator:
    """Give one choice of the filter; the form for many repeats what is chosen, in hidden fields."""
    return frame.locator(f'form.facets input[name={name}][value="{value}"]')


def only(frame: FrameLocator, verdict: str, number: int) -> Any:
    """Filter the list by one verdict, and give its rows."""
    facet(frame, "verdict", verdict).check()
    rows = frame.locator("table.mismatches > tbody > tr")
    expect(rows).to_have_count(number)
    return rows


def test_one_click_on_airflows_own_page_approves_exactly_the_plan_it_shows(airflow: LocalAirflow) -> None:
    run_id = airflow.api("GET", f"dags/{RECONCILE}/dagRuns")["dag_runs"][0]["dag_run_id"]
    path = f"dags/{RECONCILE}/dagRuns/{run_id}/taskInstances/approve"
    asked = airflow.api("GET", f"{path}/-1/hitlDetails")
    # The page sends the digest of the plan along by itself; without it the task would ask again, at each try.
    assert asked["params_input"] == {PLAN: asked["params"][PLAN]["value"]}
    assert len(asked["params_input"][PLAN]) > 20
    assert asked["chosen_options"] == ["Approve"]
    assert airflow.api("GET", path)["try_number"] == 1


def test_an_analyst_decides_and_sees_it_carried_out_at_once(
    visit: Visit, airflow: LocalAirflow, moodle: SandboxMoodle
) -> None:
    frame = mismatches(visit("anna"))
    row = only(frame, "id_case", 3).first
    number = str(row.get_attribute("id"))
    before = {one["idnumber"] for one in moodle.accounts()}
    row.locator("button.primary").first.click()
    expect(frame.locator(f"#{number}")).to_have_count(0)  # it is open no more
    frame.locator("#notice").get_by_role("button", name="Apply now").click()
    expect(frame.locator("table.writes")).to_contain_text("ID number")
    frame.get_by_role("button", name="Start the run for 1 mismatch").click()
    expect(frame.get_by_text(PROVISION).first).to_be_visible()
    run = airflow.api("GET", f"dags/{PROVISION}/dagRuns?order_by=-run_after&limit=1")["dag_runs"][0]
    assert run["triggering_user_name"] == "anna"
    assert airflow.wait_for_run(PROVISION, run["dag_run_id"])["state"] == "success"
    after = {one["idnumber"] for one in moodle.accounts()}
    assert {one.upper() for one in before - after} == after - before
    assert len(after - before) == 1

    to_mismatches(frame)
    facet(frame, "status", "applied").check()
    expect(frame.locator(f"#{number}")).to_contain_text("Applied")


def test_many_are_decided_at_once_and_the_next_run_obeys(
    visit: Visit, airflow: LocalAirflow, moodle: SandboxMoodle
) -> None:
    frame = mismatches(visit("anna"))
    only(frame, "id_missing", 10)
    frame.get_by_role("button", name=re.compile("Decide on all 10")).click()
    expect(frame.get_by_text("Nothing is decided yet").first).to_be_visible()
    frame.locator("button[value='link'], button[value='link proposed']").first.click()
    expect(frame.get_by_role("button", name="Apply these now")).to_be_visible()
    without = sum(not one["idnumber"] for one in moodle.accounts())
    run = airflow.run(PROVISION)
    assert run["state"] == "success"
    linked = without - sum(not one["idnumber"] for one in moodle.accounts())
    assert linked == airflow.xcom(PROVISION, run["dag_run_id"], "report")["done_link"] > 0
    to_mismatches(frame)
    left = 10 - linked
    if left:
        only(frame, "id_missing", left)
    else:
        expect(facet(frame, "verdict", "id_missing")).to_have_count(0)


def test_the_second_of_two_analysts_is_told_and_overwrites_nothing(visit: Visit) -> None:
    first, second = mismatches(visit("anna")), mismatches(visit("olga"))
    row = only(first, "held", 3).first
    number = str(row.get_attribute("id"))
    only(second, "held", 3)
    for frame in (first, second):
        frame.locator(f"#{number} details.ask summary").click()
    first.locator(f"#{number} button[value^='ignore']").click()
    expect(first.locator("#notice")).to_contain_text("Ignore")
    second.locator(f"#{number} button[value^='do_not_touch']").first.click()
    expect(second.get_by_text("was first").first).to_contain_text("anna")
    expect(second.locator(f"#{number}")).to_have_count(0)
    facet(second, "status", "decided").check()
    expect(second.locator(f"#{number}")).to_contain_text("anna")


def test_an_engineer_pauses_and_resumes(visit: Visit, airflow: LocalAirflow) -> None:
    frame = in_airflow(visit("olga"))
    frame.get_by_text("Pause", exact=False).locator("visible=true").first.click()
    frame.locator("input[name=reason]").first.fill("upgrade to 5.2")
    frame.locator("form[action$='/pause'] button").first.click()
    expect(frame.get_by_text("upgrade to 5.2").first).to_be_visible()
    assert "PAUSED" in airflow.command("moodle-coupling", "status", "demo")
    frame.locator("form[action$='/resume'] button").first.click()
    expect(frame.get_by_text("Active", exact=True).first).to_be_visible()
    assert "PAUSED" not in airflow.command("moodle-coupling", "status", "demo")


def test_an_export_holds_exactly_what_is_filtered(visit: Visit, tmp_path: Any) -> None:
    page = visit("anna")
    frame = mismatches(page)
    rows = only(frame, "orphan", 11)
    ids = sorted(str(row.get_attribute("id")).removeprefix("m") for row in rows.all())
    with page.expect_download() as waiting:
        frame.get_by_role("button", name="CSV", exact=True).click()
    waiting.value.save_as(tmp_path / "found.csv")
    with (tmp_path / "found.csv").open(encoding="utf-8-sig", newline="") as file:
        found = list(csv.reader(file, delimiter=","))
    assert len(found) == 12
    assert sorted(line[0] for line in found[1:]) == ids


def test_a_list_holds_what_is_asked_for_in_airflows_own_address(visit: Visit) -> None:
    page = visit("anna")
    frame = mismatches(page)
    only(frame, "orphan", 11)
    expect(page).to_have_url(re.compile(r"/plugin/[^/]+/moodle/mismatches\?verdict=orphan"))
    frame.get_by_role("link", name="Known since").click()
    expect(page).to_have_url(re.compile("sort=first_seen"))
    page.reload()
    expect(frame.locator("table.mismatches > tbody > tr")).to_have_count(11)
    expect(facet(frame, "verdict", "orphan")).to_be_checked()
    expect(frame.locator("th.when")).to_have_attribute("aria-sort", re.compile("ascending|descending"))


def test_a_viewer_sees_numbers_and_no_names(visit: Visit) -> None:
    frame = mismatches(visit("vera"))
    expect(frame.locator("table.mismatches > tbody > tr").first).to_be_visible()
    text = frame.locator("body").inner_text()
    assert "@example.org" not in text
    assert "••••" in text
    expect(frame.locator("button.primary")).to_have_count(0)


def test_a_run_leads_to_its_report_and_a_person_to_all_that_happened(visit: Visit) -> None:
    page = visit("anna")
    frame = in_airflow(page)
    frame.get_by_role("link", name="Runs", exact=True).click()
    frame.locator("table a[href*='/moodle/runs/']").last.click()
    expect(frame.get_by_text("Everything").first).to_be_visible()
    frame.get_by_role("link", name="People", exact=True).click()
    frame.locator("input[name=text]").first.fill("CV-00277")
    frame.locator("input[name=text]").first.press("Enter")
    frame.locator("a[href*='/moodle/people/demo/']").first.click()
    expect(frame.locator("form[action$='/explain'] button").first).to_be_visible()


@pytest.mark.parametrize("width", [375, 1280, 1920])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_their_window_in_both_languages(visit: Visit, width: int, scheme: str) -> None:
    page = visit("anna", color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    origin = page.url.split("/", 3)[:3]
    for path in ("", "mismatches", "runs", "people"):
        page.goto("/".join([*origin, "moodle", path]))
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    page.get_by_role("button", name="NL").click()
    expect(page.locator("html")).to_have_attribute("lang", "nl")


def test_the_pictures_are_those_of_the_pages_there_are() -> None:
    kept = {path.name for path in (ROOT / "docs/images").glob("page-*.png")}
    pages = ("environments", "mismatches", "mismatch", "run", "person")
    assert kept == {f"page-{page}-{scheme}.png" for page in pages for scheme in ("light", "dark")}


def test_an_analyst_goes_through_the_list_with_keys_undoes_and_goes_on(visit: Visit) -> None:
    page = visit("anna")
    frame = mismatches(page)
    rows = only(frame, "orphan", 11)
    second = str(rows.nth(1).get_attribute("id"))
    frame.get_by_role("heading", name="Mismatches", level=1).click()

    page.keyboard.press("?")
    expect(frame.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("j")  # nothing, behind the help
    page.keyboard.press("Escape")
    expect(frame.get_by_role("dialog", name="Keys")).to_be_hidden()
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(frame.locator(f"#{second} .name")).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("j")
    page.keyboard.press("2")  # the second choice: not to touch
    expect(rows).to_have_count(10)
    expect(frame.locator("#found")).to_contain_text("10 mismatches")
    expect(frame.locator("#notice")).to_contain_text("Do not touch")
    expect(rows.nth(1).locator(".name")).to_be_focused()  # what came after it
    page.keyboard.press("u")
    expect(rows).to_have_count(11)
    expect(frame.locator(f"#{second}")).to_be_visible()
    expect(frame.locator("#notice")).to_contain_text("taken back")

    page.keyboard.press("/")
    page.keyboard.type("j2")  # typed, and not taken for keys
    expect(frame.locator("#f-text")).to_have_value("j2")
    expect(rows).to_have_count(11)


def test_after_a_decision_on_its_page_the_next_one_opens(visit: Visit) -> None:
    page = visit("anna")
    frame = mismatches(page)
    rows = only(frame, "orphan", 11)
    second = str(rows.nth(1).get_attribute("id")).removeprefix("m")
    frame.get_by_role("heading", name="Mismatches", level=1).click()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(frame.get_by_text("1 of 11")).to_be_visible()
    frame.locator("#one input[name=note]").first.fill("1jk?")
    frame.get_by_role("heading", level=1).click()
    page.keyboard.press("3")  # ignore
    expect(frame.get_by_text("1 of 10")).to_be_visible()
    expect(page).to_have_url(re.compile(rf"/mismatches/{second}\?verdict=orphan"))
    expect(frame.locator("#notice")).to_contain_text("Ignore")
    page.keyboard.press("j")
    expect(frame.get_by_text("2 of 10")).to_be_visible()
    page.keyboard.press("k")
    expect(frame.get_by_text("1 of 10")).to_be_visible()


def test_a_decision_is_taken_back_on_its_page(visit: Visit) -> None:
    frame = mismatches(visit("anna"))
    facet(frame, "status", "decided").check()
    only_mine = frame.locator("table.mismatches > tbody > tr", has_text="1jk?")
    only_mine.locator(".name").click()
    frame.get_by_role("button", name="Take back").click()
    expect(frame.locator("#notice")).to_contain_text("taken back, and open again")
    expect(frame.get_by_text("Taken back by anna")).to_be_visible()
    expect(frame.get_by_role("button", name="Take back")).to_have_count(0)


def test_mismatches_are_given_to_a_colleague_and_found_by_whose_they_are(visit: Visit) -> None:
    page = visit("anna")
    frame = mismatches(page)
    rows = only(frame, "orphan", 11)
    for row in (rows.nth(0), rows.nth(1)):
        row.locator("input[name=tick]").check()
    frame.get_by_text("Assign …").click()
    frame.get_by_label("Name, empty for nobody").fill("olga")
    frame.get_by_label("Due (not needed)").fill("2026-01-31")
    frame.get_by_role("button", name="Assign what is ticked").click()
    expect(frame.locator("#notice")).to_contain_text("2 mismatches assigned to olga. Due 2026-01-31.")
    facet(frame, "assigned", "olga").check()
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("overdue since 2026-01-31")
    theirs = mismatches(visit("olga"))
    facet(theirs, "assigned", "*me").check()
    expect(theirs.locator("table.mismatches > tbody > tr")).to_have_count(2)
    theirs.get_by_label("Due", exact=True).select_option("overdue")
    expect(theirs.locator("table.mismatches > tbody > tr")).to_have_count(2)


def test_before_a_run_is_started_one_sees_what_it_writes(visit: Visit) -> None:
    frame = mismatches(visit("anna"))
    row = only(frame, "held", 2).first
    row.locator("details.ask summary").click()
    row.locator("button[value^='link']").first.click()
    frame.locator("#notice").get_by_role("button", name="Apply now …").click()
    expect(frame.get_by_text("Nothing is started yet.")).to_be_visible()
    expect(frame.locator("table.writes")).to_contain_text("active again")
    expect(frame.get_by_role("button", name="Start the run for 1 mismatch")).to_be_visible()
    frame.get_by_role("link", name="Back to the list").click()
    expect(frame.get_by_role("heading", name="Mismatches", level=1)).to_be_visible()


def test_forty_rows_of_one_line_are_in_view(visit: Visit) -> None:
    page = visit("anna")
    page.set_viewport_size({"width": 1440, "height": 1000})
    page.goto("/".join([*page.url.split("/", 3)[:3], "moodle", "mismatches?status=all"]))
    page.get_by_role("button", name="One line each").click()
    rows = page.locator("table.compact > tbody > tr")
    expect(rows.first).to_be_visible()
    page.locator("table.compact").evaluate("table => table.scrollIntoView()")
    heights = rows.evaluate_all("rows => rows.map((row) => row.getBoundingClientRect().height)")
    assert max(heights) <= 24
    head = page.locator("table.compact > thead").evaluate("head => head.getBoundingClientRect().height")
    assert head + 40 * max(heights) <= 1000
    sizes = page.locator("table.compact .button, table.compact summary, table.compact .name").locator("visible=true")
    assert min(sizes.evaluate_all("all => all.map((one) => one.getBoundingClientRect().height)")) >= 22  # 24 apart
