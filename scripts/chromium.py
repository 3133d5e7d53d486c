"""Debian's Chromium under Playwright, for the pictures in docs/images and the tests of the pages."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, Final

from localairflow import ADMIN, LocalAirflow, LocalAirflowError
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str:
    """Give the program's path; raises LocalAirflowError when it is not installed."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        msg = "there is no chromium; scripts/test_services.sh installs it (apt install chromium)"
        raise LocalAirflowError(msg)
    return found


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Give a browser; closed at the end of the block."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


def log_in(page: Page, airflow: LocalAirflow, user: str = ADMIN) -> None:
    """Log in to Airflow as one of its users, as a person does."""
    page.goto(airflow.url)
    page.get_by_label("Username").fill(user)
    page.locator("input[type=password]").fill(airflow.password_of(user))
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
