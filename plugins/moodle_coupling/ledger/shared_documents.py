"""Small documents that all workers share: what is spent of a source's requests, a token got from it (encrypted), a run's mark."""

from __future__ import annotations

import contextlib
import datetime as dt  # noqa: TC003  # pydantic looks the hints up
import json
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import func, literal, select, update

from moodle_coupling.ledger.bulk import insert_into
from moodle_coupling.ledger.models import SharedDocumentRow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from moodle_coupling.ledger.ledger import Ledger

_DOCUMENTS: Any = SharedDocumentRow.__table__
_LIMITS: Final = {"lock_timeout": "5s", "idle_in_transaction_session_timeout": "10s"}
"""PostgreSQL: how long we wait for a document, and how long it waits for a holder whose machine is gone."""


@contextlib.contextmanager
def held(ledger: Ledger, key: str) -> Iterator[tuple[dict[str, Any], dt.datetime]]:
    """Give a document ({} when there is none) and the time by the ledger's clock, while nobody else can change it.

    What is changed is kept when the block ends without an error. Hold it for a moment only. A holder that dies lets go: at
    once on SQLite, within 10 s on PostgreSQL. A text that is no JSON object counts as empty. Raises LedgerUnavailable.
    """
    with ledger.writing() as connection:
        was = _locked(connection, key, ledger)
        now = ledger.now(connection)
        document = _understood(was)
        yield document, now
        text = json.dumps(document)
        if text != was:
            connection.execute(update(_DOCUMENTS).where(_DOCUMENTS.c.key == key).values(document=text, changed_at=now))


def look(ledger: Ledger, key: str) -> dict[str, Any]:
    """Give a document as it is now, {} when there is none; somebody may be changing it. Raises LedgerUnavailable."""
    with ledger.reading() as connection:
        found = connection.execute(select(_DOCUMENTS.c.document).where(_DOCUMENTS.c.key == key)).scalar_one_or_none()
    return _understood(str(found)) if found is not None else {}


def look_all(ledger: Ledger, beginning: str) -> dict[str, dict[str, Any]]:
    """Give the documents whose key begins so, as they are now, by key. Raises LedgerUnavailable."""
    wanted = select(_DOCUMENTS.c.key, _DOCUMENTS.c.document).where(
        _DOCUMENTS.c.key.startswith(beginning, autoescape=True)
    )
    with ledger.reading() as connection:
        return {str(key): _understood(str(text)) for key, text in connection.execute(wanted)}


def _locked(connection: Connection, key: str, ledger: Ledger) -> str:
    if connection.dialect.name == "postgresql":
        connection.execute(
            select(*(func.set_config(name, value, literal(value=True)) for name, value in _LIMITS.items()))
        )
    wanted = select(_DOCUMENTS.c.document).where(_DOCUMENTS.c.key == key).with_for_update()
    found = connection.execute(wanted).scalar_one_or_none()
    if found is None:
        new = insert_into(connection, _DOCUMENTS).values(key=key, document="{}", changed_at=ledger.now(connection))
        connection.execute(new.on_conflict_do_nothing())
        found = connection.execute(wanted).scalar_one()
    return str(found)


def _understood(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


MOODLE: Final = "moodle"
SOURCE: Final = "source"
SPENT: Final = "spent"
"""The source is there, and gives nothing more for now: Coachview's requests of the day are spent."""

_KEY: Final = "outage "


class Outage(BaseModel):
    """What a run waits for. ``attempt`` of ``attempts`` is the try that comes next; 0 where waiting uses up no try."""

    model_config = ConfigDict(frozen=True)
    run: str
    what: str
    since: dt.datetime
    again: dt.datetime
    attempt: int = 0
    attempts: int = 0


def note_outage(ledger: Ledger, environment: str, outage: Outage) -> Outage:
    """Note what a run waits for; gives it as noted: with the ``since`` of the same outage in an earlier try of this run."""
    with held(ledger, _KEY + environment) as (document, _):
        known = _read(document)
        if known is not None and (known.run, known.what) == (outage.run, outage.what):
            outage = outage.model_copy(update={"since": known.since})
        document.clear()
        document.update(outage.model_dump(mode="json"))
    return outage


def end_outage(ledger: Ledger, environment: str, run: str) -> None:
    """Note that a run waits for nothing any more; what another run noted stays."""
    known = _read(look(ledger, _KEY + environment))
    if known is None or known.run != run:
        return
    with held(ledger, _KEY + environment) as (document, _):
        document.clear()


def outages(ledger: Ledger) -> dict[str, Outage]:
    """Give what runs wait for, by environment, in one question; a run that was killed may have left its own."""
    found = {key.removeprefix(_KEY): _read(document) for key, document in look_all(ledger, _KEY).items()}
    return {name: outage for name, outage in found.items() if outage is not None}


def _read(document: dict[str, Any]) -> Outage | None:
    try:
        return Outage.model_validate(document)
    except ValidationError:
        return None
