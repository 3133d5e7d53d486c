"""Sites that do not answer: of each environment which one, since when, and when it is tried again. One shared document each."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  # pydantic looks the hints up
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from moodle_coupling.ledger.shared_documents import held, look, look_all

if TYPE_CHECKING:
    from moodle_coupling.ledger.ledger import Ledger

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
