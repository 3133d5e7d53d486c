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
    decided = frame.locator(f"#{number}")
    expect(decided).to_contain_text("anna")

    decided.get_by_role("button", name="Apply now").click()
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
    expect(first.locator(f"#{number}")).to_contain_text("anna")
    second.locator(f"#{number} button[value^='do_not_touch']").first.click()
    expect(second.get_by_text("was first").first).to_contain_text("anna")
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
