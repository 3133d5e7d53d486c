"""A ledger that was made when sentences were kept as plain English texts: its pages show these as they are.

``old_ledger.sql`` is such a ledger, of schema 0005: mismatches of every kind, a run that failed, a plan that waits and a quarantine.
"""

from __future__ import annotations

import html
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from moodle_coupling.ledger import schema
from moodle_coupling.ledger.ledger import open_ledger
from moodle_coupling.ledger.runs import latest_runs

DUMP = Path(__file__).with_name("old_ledger.sql")


@pytest.fixture
def old(visit, tmp_path, monkeypatch):
    """Open the old ledger as an upgrade leaves it."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(DUMP.read_text("utf-8"))
    url = f"sqlite:///{path}"
    schema.upgrade(url)
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__LEDGER_URL", url)
    ledger = open_ledger(url)
    yield ledger
    ledger.close()


def shown(page) -> str:
    assert page.status_code == 200
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def test_the_evidence_of_each_mismatch_is_shown_as_the_run_wrote_it(visit, old):
    with old.reading() as connection:
        rows = connection.exec_driver_sql("SELECT id, evidence FROM mismatches").all()
    assert len(rows) > 8
    for number, evidence in rows:
        assert evidence in shown(visit("op").get(f"/mismatches/{number}"))


@pytest.mark.parametrize("language", ["en", "nl"])
def test_messages_of_outcomes_and_reasons_of_runs_are_shown_as_they_were_kept(visit, old, language):
    run = next(run for run in latest_runs(old, "demo") if run.run_id == "manual__2")
    page = visit("op", language=language).get(f"/runs/{run.id}")
    text = shown(page)
    assert "1 of 2 persons went wrong, which is more than fail_share allows." in text
    assert "Moodle does not take this: Invalid parameter value detected." in text
    assert "The last name is missing; Moodle makes no account without one." in text
    assert ('class="block message" lang="en"' in page.text) is (language == "nl")


@pytest.mark.parametrize("language", ["en", "nl"])
def test_what_waits_and_why_runs_stay_away_is_shown_as_it_was_kept(visit, old, language):
    text = shown(visit("op", language=language).get("/"))
    assert "3 accounts would be suspended, which is more than 2." in text
    assert "The site does not answer." in text
