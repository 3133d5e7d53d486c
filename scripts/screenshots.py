"""Takes the pictures of docs/images from the running demo, with Debian's Chromium."""

from __future__ import annotations

import shutil
import sys

from demo import DAG, HOME, ROOT
from localairflow import ADMIN, LocalAirflow
from playwright.sync_api import sync_playwright

IMAGES = ROOT / "docs/images"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def main() -> int:
    """Log in and picture the newest run's graph; exit status 1 when there is no Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("screenshots: there is no chromium; apt install chromium", file=sys.stderr)
        return 1
    airflow = LocalAirflow(HOME / "airflow", int(sys.argv[1]) if len(sys.argv) > 1 else 8080)
    runs = airflow.api("GET", f"dags/{DAG}/dagRuns?order_by=run_after&limit=100")["dag_runs"]
    run = runs[0]["dag_run_id"]
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.goto(airflow.url)
        page.get_by_label("Username").fill(ADMIN)
        page.locator("input[type=password]").fill(airflow.password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/")
        pictures = {
            "run-graph.png": f"/dags/{DAG}/runs/{run}",
            "run-summary.png": f"/dags/{DAG}/runs/{run}/tasks/report/xcom",
            "trigger.png": f"/dags/{DAG}?mode=trigger",
            "connection.png": "/connections",
        }
        for name, address in pictures.items():
            page.goto(f"{airflow.url}{address}")
            page.wait_for_load_state("networkidle")
            page.wait_for_timeout(2500)
            page.screenshot(path=str(IMAGES / name))
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
