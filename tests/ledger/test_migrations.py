"""A ledger with something in it, brought from the first schema to this one and back."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy
from sqlalchemy import text

from moodle_coupling.ledger import schema
from moodle_coupling.ledger.decisions import decision_history, decisions_in_force, protections
from moodle_coupling.ledger.errors import LedgerSchemaError
from moodle_coupling.ledger.ledger import open_ledger
from moodle_coupling.ledger.mismatches import MismatchFilter, mismatch_page, mismatches_frame
from moodle_coupling.ledger.models import Base
from moodle_coupling.ledger.schema import make_engine, read_address
from moodle_coupling.ledger.words import MismatchStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

SEEN, DECIDED, LAST = (dt.datetime(2026, 2, day, hour, tzinfo=dt.UTC) for day, hour in ((1, 2), (2, 9), (3, 2)))
_MISMATCH = {
    "environment": "demo",
    "verdict": "held",
    "facts": "{}",
    "version": 2,
    "person_id": "",
    "extern_id": "",
    "idnumber": "",
    "username": "",
    "firstname": "",
    "lastname": "",
    "email": "",
    "email_key": "",
    "name_key": "",
    "evidence": "",
    "proposal": "",
    "first_seen": SEEN,
    "last_seen": LAST,
    "times_seen": 3,
    "last_run": "run 3",
}
_DECISION = {"by": "anna", "at": DECIDED, "facts_digest": "d", "applied_run": "", "applied_at": None}


def mismatch(number: int, status: str, account: int | None, others: str = "[]") -> dict[str, Any]:
    ids = {"id": number, "subject": f"person p{number}", "facts_digest": f"d{number}"}
    return _MISMATCH | ids | {"status": status, "account_id": account, "other_accounts": others}


def decision(number: int, mismatch: int, kind: str, account: int | None = None, **more: Any) -> dict[str, Any]:
    what = {"id": number, "mismatch": mismatch, "kind": kind, "account_id": account, "note": f"n{number}"}
    return _DECISION | {"lapsed_at": None} | what | more


def insert(url: str, table: str, rows: Iterable[dict[str, Any]]) -> None:
    engine = make_engine(read_address(url))
    with engine.begin() as connection:
        for row in rows:
            connection.execute(sqlalchemy.insert(Base.metadata.tables[table]).values(row))
    engine.dispose()


@pytest.fixture
def first_url(empty_url: str) -> str:
    """A ledger of the first schema, with decisions of every sort in it."""
    schema.upgrade(empty_url)
    schema.downgrade(empty_url, "0001")
    insert(
        empty_url,
        "mismatches",
        [
            mismatch(1, "decided", 77, "[78, 77]") | {"name_key": "visser mariëlle"},
            mismatch(2, "decided", None, "[81, 82]"),
            mismatch(3, "decided", 91),
            mismatch(4, "gone", 92),
            mismatch(5, "open", 93),
        ],
    )
    insert(
        empty_url,
        "decisions",
        [
            decision(1, 1, "link", lapsed_at=DECIDED),
            decision(2, 1, "do_not_touch"),
            decision(3, 2, "do_not_touch", 82),
            decision(4, 3, "ignore"),
            decision(5, 4, "do_not_touch", lapsed_at=LAST),
        ],
    )
    return empty_url


def test_an_old_ledger_is_refused_and_the_command_that_brings_it_up_to_date_is_named(first_url: str) -> None:
    with pytest.raises(
        LedgerSchemaError, match=rf"has schema 0001 .* needs {schema.head()}. Run 'moodle-coupling db upgrade' once"
    ):
        open_ledger(first_url)


def test_what_was_decided_not_to_be_touched_is_protected_after_the_upgrade(first_url: str) -> None:
    schema.upgrade(first_url)
    ledger = open_ledger(first_url)
    kept = protections(ledger, "demo")
    assert kept[["account_id", "by", "note", "mismatch"]].values.tolist() == [
        [77, "anna", "n2", 1],
        [78, "anna", "n2", 1],
        [82, "anna", "n3", 2],
    ]
    assert decisions_in_force(ledger, "demo")["kind"].tolist() == ["ignore"]
    (done,) = [each for each in decision_history(ledger, 2) if each.lapsed_at is None]
    assert done.applied_at == done.at
    ledger.close()


def test_since_when_a_mismatch_has_its_status_is_known_after_the_upgrade(first_url: str) -> None:
    schema.upgrade(first_url)
    ledger = open_ledger(first_url)
    found = mismatches_frame(ledger, "demo", statuses=list(MismatchStatus)).sort_values("id")
    assert found["status"].tolist() == ["applied", "applied", "decided", "gone", "open"]
    assert found["since"].dt.strftime("%d %H").tolist() == ["02 09", "02 09", "03 02", "03 02", "01 02"]
    ledger.close()


def test_names_are_found_without_accents_after_the_upgrade(first_url: str) -> None:
    schema.upgrade(first_url)
    ledger = open_ledger(first_url)
    assert mismatch_page(ledger, MismatchFilter(text="Marielle")).rows["id"].tolist() == [1]
    ledger.close()


def test_taken_back_it_is_as_the_first_schema_had_it(first_url: str) -> None:
    schema.upgrade(first_url)
    schema.downgrade(first_url, "0001")
    engine = make_engine(read_address(first_url))
    with engine.connect() as connection:
        statuses = connection.execute(text("SELECT status FROM mismatches ORDER BY id")).scalars().all()
        applied = connection.execute(text("SELECT count(*) FROM decisions WHERE applied_at IS NOT NULL")).scalar_one()
    engine.dispose()
    assert (statuses, applied) == (["decided", "decided", "decided", "gone", "open"], 0)
    assert schema.upgrade(first_url) == schema.head()
