"""The handle: transactions, times, what a broken database looks like, and forked processes."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from moodle_coupling.ledger import activity
from moodle_coupling.ledger.errors import LedgerUnavailable
from moodle_coupling.ledger.ledger import Ledger, open_ledger

if TYPE_CHECKING:
    from ledger.conftest import Clock


def test_a_write_that_fails_half_way_leaves_nothing(ledger: Ledger) -> None:
    def half_a_write() -> None:
        with ledger.writing() as connection:
            connection.execute(text("DELETE FROM activity"))
            raise KeyError("the caller stumbled")

    activity.note(ledger, by="anna", environment="demo", action="pause")
    with pytest.raises(KeyError):
        half_a_write()
    assert len(activity.recent(ledger)) == 1


def test_times_come_back_in_utc_to_the_microsecond(ledger: Ledger, clock: Clock) -> None:
    zone = dt.timezone(dt.timedelta(hours=5, minutes=30))
    clock.time = dt.datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=zone)
    activity.note(ledger, by="anna", environment="demo", action="pause")
    at = activity.recent(ledger)[0].at
    assert at == clock.time
    assert at.tzinfo is dt.UTC


def test_a_time_without_a_zone_is_refused(ledger: Ledger, clock: Clock) -> None:
    clock.time = clock.time.replace(tzinfo=None)
    with pytest.raises(Exception, match="times with a zone only"):
        activity.note(ledger, by="anna", environment="demo", action="pause")


def test_without_a_clock_of_its_own_it_goes_by_the_databases(url: str) -> None:
    ledger = open_ledger(url)
    before = dt.datetime.now(dt.UTC)
    activity.note(ledger, by="anna", environment="demo", action="pause")
    assert before - dt.timedelta(seconds=5) < activity.recent(ledger)[0].at < before + dt.timedelta(minutes=5)
    ledger.close()


def test_any_text_can_be_kept(ledger: Ledger) -> None:
    activity.note(ledger, by="anna", environment="demo", action="x" * 5000, detail="nul \0, half \ud83d, 😀 <script>")
    kept = activity.recent(ledger)[0]
    assert kept.detail == "nul , half ?, 😀 <script>"
    assert len(kept.action) == 255


def test_activity_is_given_latest_first_and_by_environment(ledger: Ledger, clock: Clock) -> None:
    for action, environment in (("pause", "demo"), ("resume", "demo"), ("pause", "other")):
        activity.note(ledger, by="anna", environment=environment, action=action, subject="person 7")
        clock.forward(seconds=1)
    assert [(done.action, done.environment) for done in activity.recent(ledger, limit=2)] == [
        ("pause", "other"),
        ("resume", "demo"),
    ]
    assert [done.action for done in activity.recent(ledger, "demo")] == ["resume", "pause"]


def test_no_value_of_a_failed_statement_is_told(ledger: Ledger) -> None:
    def clash() -> None:
        with ledger.writing() as connection:
            insert = text(
                "INSERT INTO leases VALUES ('demo', :holder, 1, '2026-03-01 00:00:00', '2026-03-01 00:00:00')"
            )
            connection.execute(insert, {"holder": "Geheime Naam"})
            connection.execute(insert, {"holder": "Geheime Naam"})

    with pytest.raises(Exception, match=r"(?i)unique") as failed:
        clash()
    assert "Geheime" not in str(failed.value)


def test_a_connection_that_breaks_is_unavailable_and_the_next_one_works(ledger: Ledger) -> None:
    def break_it() -> None:
        with ledger.writing() as connection:
            if connection.dialect.name == "sqlite":  # a full disk
                connection.execute(text("PRAGMA max_page_count = 1"))
                connection.execute(text("CREATE TABLE filler AS SELECT randomblob(9000000)"))
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(LedgerUnavailable, match="cannot be used"):
        break_it()
    ledger.close()
    activity.note(ledger, by="anna", environment="demo", action="pause")
    assert len(activity.recent(ledger)) == 1


FORKED = """
import os, sys
from moodle_coupling.ledger import activity
from moodle_coupling.ledger.ledger import open_ledger
ledger = open_ledger(sys.argv[1])
with ledger.reading() as held:
    held.exec_driver_sql("SELECT 1").all()
children = []
for child in range(3):
    if not (pid := os.fork()):
        for n in range(5):
            activity.note(ledger, by=f"child {child}", environment="demo", action=str(n))
        os._exit(0)
    children.append(pid)
for n in range(5):
    activity.note(ledger, by="parent", environment="demo", action=str(n))
assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
print(len(activity.recent(ledger)))
"""


def test_forked_tasks_do_not_share_a_connection(url: str) -> None:
    command = [sys.executable, "-c", FORKED, url]
    done = subprocess.run(
        command, timeout=120, capture_output=True, text=True, check=False, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert done.stdout.strip() == "20", done.stderr
