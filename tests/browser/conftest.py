"""An Airflow with a loaded demo coupling, and a browser in it: started once for all tests of the pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from chromium import chromium, log_in
from demo_coupling import write_inputs
from localairflow import LocalAirflow, free_port

from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle
from moodle_coupling.sandbox.moodle.accounts import read_accounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
PROVISION = "moodle_provision__demo"
RECONCILE = "moodle_reconcile__demo"


@pytest.fixture(scope="module")
def moodle() -> Iterator[SandboxMoodle]:
    with running_moodle(accounts=read_accounts(ROOT / "include/samples/accounts.csv")) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def airflow(
    tmp_path_factory: pytest.TempPathFactory, moodle: SandboxMoodle, browser: Browser
) -> Iterator[LocalAirflow]:
    home = tmp_path_factory.mktemp("airflow")
    write_inputs(home)
    settings = {
        "AIRFLOW__MOODLE_COUPLING__PAUSE_LOOK_SECONDS": "2",
        "AIRFLOW__MOODLE_COUPLING__MAPPINGS_FOLDER": str(home / "include/mappings"),
    }
    users = "admin:admin,anna:user,olga:op,vera:viewer"
    local = LocalAirflow(home, free_port(), settings, users=users)
    try:
        local.start()
        local.put_connection("moodle_demo", conn_type="moodle", host=moodle.url, password=moodle.token, extra="{}")
        local.put_pool("moodle__demo", 1)
        for dag in (PROVISION, RECONCILE):
            local.wait_for_dag(dag)
        run_id = local.trigger(RECONCILE)["dag_run_id"]
        local.wait_for_state(RECONCILE, run_id, "approve", {"awaiting_input"})
        click_approve(browser, local, run_id)
        assert local.wait_for_run(RECONCILE, run_id)["state"] == "success", json.dumps(local.states(RECONCILE, run_id))
        yield local
    finally:
        local.stop()


def click_approve(browser: Browser, local: LocalAirflow, run_id: str) -> None:
    """Approve on Airflow's own page as a person does: one click, and nothing is typed."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB").new_page()
    page.set_default_timeout(60_000)
    log_in(page, local)
    page.goto(f"{local.url}/dags/{RECONCILE}/runs/{run_id}/tasks/approve/required_actions")
    page.get_by_test_id("hitl-option-Approve").click()
    local.wait_for_state(RECONCILE, run_id, "approve", {"success", "failed", "skipped", "up_for_retry"})
    page.context.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def visit(browser: Browser, airflow: LocalAirflow) -> Iterator[Callable[..., Page]]:
    """Give a page of a browser in which a user has logged in; errors in its console fail the test."""
    contexts = []

    def visit_as(user: str, **options: object) -> Page:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB", **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        log_in(page, airflow, user)
        return page

    yield visit_as
    for context in contexts:
        context.close()
