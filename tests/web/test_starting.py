"""Starting runs through Airflow's own machinery, and what it knows of its DAGs."""

from __future__ import annotations

import datetime as dt

import pytest
from web.dags_in_airflow import clear, put

from moodle_coupling.web.environments.state import CannotStart, DagState, dag_states, start

RECONCILE, PROVISION = "moodle_reconcile__demo", "moodle_provision__demo"


@pytest.fixture
def dags(site, mappings):
    mapping = mappings / "demo.yaml"
    mapping.write_text(mapping.read_text() + "\nschedule:\n  reconcile: 0 2 * * *\n")
    put(mappings)
    yield
    clear()


def run_of(dag_id, run_id):
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return session.scalars(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)).one()


def test_a_run_has_its_params_and_who_asked(dags):
    started = start(RECONCILE, {"dry_run": True}, by="Anna de Vries")
    assert started.is_on
    run = run_of(started.dag_id, started.run_id)
    assert (run.conf, run.triggering_user_name, run.state) == ({"dry_run": True}, "Anna de Vries", "queued")


def test_a_switched_off_dag_takes_the_run_and_says_so(dags, mappings):
    put(mappings, on=False)
    assert not start(RECONCILE, {"dry_run": True}, by="Anna").is_on


def test_a_param_the_dag_does_not_take_is_refused(dags):
    with pytest.raises(CannotStart, match="refuses"):
        start(RECONCILE, {"dry_run": "perhaps"}, by="Anna")


def test_a_dag_that_is_not_there(site, migrated):
    with pytest.raises(CannotStart, match="does not have the Dag yet"):
        start("moodle_reconcile__nowhere", {}, by="Anna")


def test_a_dag_that_cannot_be_read(dags):
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import update

    with create_session() as session:
        session.execute(update(DagModel).values(has_import_errors=True))
    with pytest.raises(CannotStart, match="import error"):
        start(RECONCILE, {}, by="Anna")


@pytest.mark.clock
def test_what_airflow_knows(dags):
    start(RECONCILE, {"dry_run": True}, by="Anna")
    states = dag_states([RECONCILE, PROVISION, "moodle_provision__nowhere"])
    assert set(states) == {RECONCILE, PROVISION}
    assert states[PROVISION] == DagState(PROVISION, is_on=True, next_run=None)
    assert states[RECONCILE].queued == 1
    assert isinstance(states[RECONCILE].next_run, dt.datetime)


@pytest.mark.parametrize(("minutes", "due"), [(-1, True), (1, False)])
@pytest.mark.clock
def test_a_run_that_should_have_begun_is_due(minutes, due):
    at = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)
    assert DagState("x", is_on=True, next_run=at).is_due is due
    assert not DagState("x", is_on=True, next_run=None).is_due
