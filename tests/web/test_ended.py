"""A run that somebody ended in Airflow leaves no task to tell the ledger; the pages show what is so."""

from __future__ import annotations

import datetime as dt

import pytest
from web.dags_in_airflow import clear, put

from moodle_coupling.ledger import approvals
from moodle_coupling.ledger.runs import begin_run, get_run, set_state
from moodle_coupling.ledger.shared_documents import MOODLE, Outage, note_outage
from moodle_coupling.ledger.words import RunState
from moodle_coupling.web.environments.state import start
from moodle_coupling.words.sentence import Sentence

RECONCILE = "moodle_reconcile__demo"
PAGES = ("/", "/environments/demo", "/runs")


@pytest.fixture(autouse=True)
def clean(site):
    yield
    clear()


@pytest.fixture(autouse=True)
def _runs_in_airflow() -> None:
    """Here Airflow is asked, and what it does not have it does not have."""


def deleted() -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(DagRun))


def marked(state: str) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import update

    with create_session() as session:
        session.execute(update(DagRun).values(state=state))


@pytest.fixture
def run(mappings, ledger):
    """A run that Airflow has and the ledger takes for under way; it waits for a Moodle that does not answer."""
    put(mappings)
    found = begin_run(ledger, "demo", RECONCILE, start(RECONCILE, {}, by="anna").run_id, mode="full")
    now = dt.datetime.now(dt.UTC)
    note_outage(ledger, "demo", Outage(run=found.id, what=MOODLE, since=now, again=now))
    return found


def test_while_airflow_runs_it_it_is_under_way(visit, run):
    assert all("Running" in visit("op").get(path).text for path in (*PAGES, f"/runs/{run.id}"))
    assert "Waits for Moodle" in visit("op").get("/").text


@pytest.mark.parametrize(("marks", "shown"), [("failed", "Failed"), ("success", "Stopped")])
def test_what_was_ended_in_airflow_is_over_and_waits_for_nothing(visit, run, ledger, marks, shown):
    marked(marks)
    for path in (*PAGES, f"/runs/{run.id}"):
        page = visit("op").get(path).text
        assert shown in page, path
        assert "Running" not in page, path
        assert "Waits for Moodle" not in page, path
    assert "The run ended in Airflow before its last task" in visit("op").get(f"/runs/{run.id}").text
    assert visit("op").get(f"/runs/{run.id}/live").headers["hx-refresh"] == "true"
    assert get_run(ledger, run.id).state is RunState.RUNNING  # looking writes nothing


def test_what_was_deleted_in_airflow_is_over_and_waits_for_nothing(visit, run, ledger):
    deleted()
    for path in (*PAGES, f"/runs/{run.id}"):
        page = visit("op").get(path).text
        assert "Stopped" in page, path
        assert "Running" not in page, path
        assert "Waits for Moodle" not in page, path
    assert "The run is no longer in Airflow" in visit("op").get(f"/runs/{run.id}").text
    assert "De run staat niet meer in Airflow" in visit("op", language="nl").get(f"/runs/{run.id}").text
    assert visit("op").get(f"/runs/{run.id}/live").headers["hx-refresh"] == "true"
    assert get_run(ledger, run.id).state is RunState.RUNNING  # looking writes nothing


def test_a_plan_whose_run_was_ended_asks_nobody_any_more(visit, run, ledger):
    set_state(ledger, run.id, RunState.WAITING_APPROVAL)
    approvals.ask(ledger, run.id, "digest", [Sentence("safeguard.source_empty", n=3, total=3).written()])
    assert "Waits for approval" in visit("op").get("/").text
    marked("failed")
    assert "Waits for approval" not in visit("op").get("/").text
    assert "Approve or reject" not in visit("op").get(f"/runs/{run.id}").text
