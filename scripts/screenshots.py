"""Takes the pictures of docs/images from the running demo, with Debian's Chromium: ``python scripts/screenshots.py [PORT]``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from chromium import chromium, log_in
from demo_sandboxes import HOME
from demo_showing import DAG, FILE_DAG, PEOPLE, waits
from localairflow import ROOT, LocalAirflow

if TYPE_CHECKING:
    from playwright.sync_api import Browser, FrameLocator, Page

IMAGES = ROOT / "docs/images"


def settled(page: Page, name: str, height: int = 900) -> None:
    """Picture the page, down to ``height``, once nothing moves any more."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(2500)
    page.screenshot(path=str(IMAGES / name), clip={"x": 0, "y": 0, "width": 1600, "height": height})


def pages(browser: Browser, airflow: LocalAirflow) -> None:
    """Picture our own pages, light and dark."""
    for scheme in ("light", "dark"):
        page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
        page.set_default_timeout(120_000)
        log_in(page, airflow)
        page.goto(f"{airflow.url}/plugin/moodle-environments")
        frame = page.frame_locator("iframe")
        shows(frame, "Environments")
        pictured(page, f"page-environments-{scheme}.png")
        to(frame, "Mismatches")
        pictured(page, f"page-mismatches-{scheme}.png")
        frame.locator("table.mismatches a.name").first.click()
        frame.get_by_role("heading", name="History").wait_for()
        pictured(page, f"page-mismatch-{scheme}.png")
        to(frame, "Runs")
        frame.locator("table a[href*='/moodle/runs/']").last.click()
        frame.get_by_role("heading", name="Row by row").wait_for()
        pictured(page, f"page-run-{scheme}.png")
        to(frame, "People")
        frame.locator("input[name=text]").first.fill("CV-00277")
        frame.locator("input[name=text]").first.press("Enter")
        frame.locator("a[href*='/moodle/people/demo/']").first.click()
        frame.get_by_role("heading", name="What happened, the latest first").wait_for()
        pictured(page, f"page-person-{scheme}.png")
        page.close()


def shows(frame: FrameLocator, head: str) -> None:
    """Wait until a page of ours is there."""
    frame.get_by_role("heading", name=head, level=1).wait_for()


def to(frame: FrameLocator, name: str) -> None:
    """Go to one of the pages of our own bar."""
    frame.get_by_role("navigation").get_by_role("link", name=name, exact=True).click()
    shows(frame, name)


def pictured(page: Page, name: str) -> None:
    """Picture what the window shows."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(2000)
    page.screenshot(path=str(IMAGES / name))


def approval(page: Page, airflow: LocalAirflow) -> None:
    """Picture the question that an empty source makes a run ask; it is rejected, and the source is put back."""
    people = PEOPLE.read_bytes()
    PEOPLE.write_bytes(people.splitlines(keepends=True)[0])
    try:
        run = airflow.trigger(FILE_DAG)["dag_run_id"]
        waits(airflow, FILE_DAG, run)
        page.goto(f"{airflow.url}/dags/{FILE_DAG}/runs/{run}/tasks/approve/required_actions")
        settled(page, "approval.png", height=560)
        airflow.answer(FILE_DAG, run, "Reject")
        airflow.wait_for_run(FILE_DAG, run)
    finally:
        PEOPLE.write_bytes(people)


def main() -> int:
    """Log in and picture our pages, the first run, a question, the trigger form and the connection."""
    airflow = LocalAirflow(HOME / "airflow", int(sys.argv[1]) if len(sys.argv) > 1 else 8080)
    runs = airflow.api("GET", f"dags/{DAG}/dagRuns?order_by=run_after&limit=100")["dag_runs"]
    run = runs[0]["dag_run_id"]
    with chromium() as browser:
        pages(browser, airflow)
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.set_default_timeout(120_000)
        log_in(page, airflow)
        page.goto(f"{airflow.url}/dags/{DAG}/runs/{run}")
        page.get_by_role("button", name="Graph").first.click()
        settled(page, "run-graph.png")
        approval(page, airflow)
        page.goto(f"{airflow.url}/dags/{DAG}/runs/{run}/tasks/report/xcom")
        settled(page, "run-report.png")
        page.goto(f"{airflow.url}/dags/{DAG}")
        page.get_by_role("button", name="Trigger Dag").first.click()
        settled(page, "trigger.png")
        page.goto(f"{airflow.url}/connections")
        row = page.get_by_role("row").filter(has=page.get_by_text("moodle_demo", exact=True))
        row.get_by_role("button", name="Edit Connection").click()
        settled(page, "connection.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
