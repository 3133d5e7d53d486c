"""Texts that PostgreSQL refuses, or no database can hold, are cleaned wherever they are stored."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Text

from moodle_coupling.ledger.cells import StoredText
from moodle_coupling.ledger.leases import Lease, acquire
from moodle_coupling.ledger.models import Base
from moodle_coupling.ledger.runs import begin_run, end_run, get_run
from moodle_coupling.ledger.words import RunState

if TYPE_CHECKING:
    from sqlalchemy import Table

    from moodle_coupling.ledger.ledger import Ledger

BAD = "a\0b\ud800é"
GOOD = "ab?é"


@pytest.mark.parametrize("table", Base.metadata.sorted_tables, ids=lambda table: table.name)
def test_each_text_column_cleans_what_it_is_given(table: Table) -> None:
    texts = [column for column in table.columns if isinstance(column.type, Text | StoredText)]
    assert [column.name for column in texts if not isinstance(column.type, StoredText)] == []


def test_of_a_run_and_its_outcomes(ledger: Ledger) -> None:
    run = begin_run(ledger, BAD, f"dag {BAD}", BAD, mode="full")
    assert (run.environment, run.dag_id, run.run_id) == (GOOD, f"dag {GOOD}", GOOD)
    assert begin_run(ledger, BAD, f"dag {BAD}", BAD, mode="full").id == run.id
    end_run(ledger, run.id, RunState.FAILED, reason=BAD)
    assert get_run(ledger, run.id).reason == GOOD


def test_of_a_holder(ledger: Ledger) -> None:
    lease = acquire(ledger, "demo", BAD, ttl=dt.timedelta(minutes=1))
    assert isinstance(lease, Lease)
    assert lease.holder == GOOD
