"""What the ledger of the web tests holds, and the names it has in the paths of rights.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ledger.frames import found, mismatch

from moodle_coupling.ledger.mismatches import mismatches_frame, record_mismatches
from moodle_coupling.ledger.runs import begin_run, end_run
from moodle_coupling.ledger.words import RunState

if TYPE_CHECKING:
    from moodle_coupling.ledger.ledger import Ledger

SCRIPT = "<script>alert(1)</script>"
"""A name somebody really might have; it must show as it is and do nothing."""


def filled(ledger: Ledger, environment: str = "demo") -> dict[str, Any]:
    """Put a run that ended and two open mismatches into the ledger; gives the ids: ``run``, ``mismatch``, ``other``."""
    run = begin_run(ledger, environment, f"moodle_reconcile__{environment}", "manual__1", mode="full")
    facts = {"person": {"idnumber": "xp1", "lastname": SCRIPT}, "accounts": {"77": {"idnumber": "other"}}}
    rows = [mismatch(person, lastname=SCRIPT, facts=facts, evidence=f"{SCRIPT} is taken.") for person in ("p1", "p2")]
    rows[1]["account_id"] = 78
    record_mismatches(ledger, environment, run.id, found(*rows), full=True)
    end_run(ledger, run.id, RunState.DONE, counts={"done_create": 3, "rejected": 1})
    ids = sorted(mismatches_frame(ledger, environment)["id"].tolist())
    return {"env": environment, "run": run.id, "mismatch": ids[0], "other": ids[1]}
