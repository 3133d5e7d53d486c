"""Whose it is to judge a mismatch, and by when."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  # a public function: its hints are looked up
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select, union, update

from moodle_coupling.ledger import cells
from moodle_coupling.ledger.activity import note_with
from moodle_coupling.ledger.bulk import staged
from moodle_coupling.ledger.cells import BigId
from moodle_coupling.ledger.models import ASSIGNED, DecisionRow, MismatchRow
from moodle_coupling.ledger.words import MismatchStatus

if TYPE_CHECKING:
    from collections.abc import Collection

    from moodle_coupling.ledger.ledger import Ledger

_MISMATCHES: Any = MismatchRow.__table__
_DECISIONS: Any = DecisionRow.__table__
_STANDING: Final = (MismatchStatus.OPEN, MismatchStatus.DECIDED)


def assign(ledger: Ledger, mismatches: Collection[int], to: str, due: dt.date | None, *, by: str) -> tuple[int, ...]:
    """Give mismatches to somebody ('' for nobody in particular), to judge by a day or by none; gives the ids of those.

    What is applied, gone or lapsed is left as it is. A version stays what it is: an assignment stands in nobody's way who decides.
    """
    with (
        ledger.writing() as connection,
        staged(connection, {"id": (BigId, sorted(set(mismatches)))}, key=["id"]) as stage,
    ):
        chosen = (_MISMATCHES.c.id.in_(select(stage.c.id)), _MISMATCHES.c.status.in_(_STANDING))
        name, now = cells.key_text(to.strip()), ledger.now(connection)
        here = select(_MISMATCHES.c.environment, func.count(), func.min(_MISMATCHES.c.id)).where(*chosen)
        for environment, number, first in connection.execute(here.group_by(_MISMATCHES.c.environment)).all():
            subject, detail = (f"mismatch {first}", name) if number == 1 else ("", f"{name}: {number} mismatches")
            keys = {"by": by, "environment": environment, "action": "assign", "subject": subject}
            note_with(connection, now, detail=detail, **keys)
        values = {"assigned_to": name, "due": due.isoformat() if due else None}
        done = update(_MISMATCHES).where(*chosen).values(values).returning(_MISMATCHES.c.id)
        return tuple(sorted(connection.execute(done).scalars()))


def colleagues(ledger: Ledger, environments: Collection[str]) -> list[str]:
    """Give who decided on mismatches of these environments, or has some to judge, by name."""
    here = _MISMATCHES.c.environment.in_(list(environments))
    deciders = select(_DECISIONS.c.by).join_from(_DECISIONS, _MISMATCHES, _DECISIONS.c.mismatch == _MISMATCHES.c.id)
    assigned = select(_MISMATCHES.c.assigned_to).where(here, ASSIGNED)
    with ledger.reading() as connection:
        return sorted(connection.execute(union(deciders.where(here), assigned)).scalars(), key=str.casefold)
