"""A ledger in which everything happened that a page can show, at fixed moments, and the pages that show it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pandas as pd
from ledger.frames import outcomes
from web.mismatched import compare, every_kind

from moodle_coupling.access.questions import Alike, Question, mismatches
from moodle_coupling.contract.frames import ACCESS_OUTCOMES
from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.ledger import activity, approvals, leases
from moodle_coupling.ledger.access import intention_key, settle_access
from moodle_coupling.ledger.accounts import record_links
from moodle_coupling.ledger.decisions import Choice, decide
from moodle_coupling.ledger.intentions import plan_intentions
from moodle_coupling.ledger.ledger import Ledger, open_ledger
from moodle_coupling.ledger.mismatches import MismatchFilter, mismatch_page, record_mismatches
from moodle_coupling.ledger.outcomes import settle
from moodle_coupling.ledger.runs import begin_run, end_run, set_state
from moodle_coupling.ledger.words import RunState
from moodle_coupling.people.table import made
from moodle_coupling.words.sentence import Sentence, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = dt.datetime(2026, 1, 5, 2, 0, tzinfo=dt.UTC)
DETAILS = {"export": "CSV: 3 mismatches", "apply": "1 decided: manual__9", "reconcile": "manual__2"}
RECONCILE, PROVISION = "moodle_reconcile__demo", "moodle_provision__demo"


def told(url: str) -> dict[str, str]:
    """Write the story into the ledger at ``url``; gives the pages that show it, by name."""
    seconds: Iterator[int] = iter(range(1_000_000))
    ledger = open_ledger(url, clock=lambda: NOW + dt.timedelta(seconds=next(seconds)))
    try:
        return _told(ledger)
    finally:
        ledger.close()


def _told(ledger: Ledger) -> dict[str, str]:
    ids = compare(ledger, every_kind())
    for person, kind in (("P1", DecisionKind.LATER), ("P8", DecisionKind.DO_NOT_TOUCH), ("P2", DecisionKind.IGNORE)):
        decide(ledger, ids[person], 1, Choice(kind, by="anna", note="gebeld"))
    of_target = _asked_of_a_target(ledger)
    loaded = _loaded(ledger)
    for number, state in enumerate((RunState.FAILED, RunState.REJECTED, RunState.STOPPED, RunState.DONE), start=3):
        mode = "dry run" if state is RunState.DONE else "changed"
        run = begin_run(ledger, "demo", PROVISION, f"manual__{number}", mode=mode)
        counts = {"planned_create": 2, "planned_none": 5} if mode == "dry run" else {}
        end_run(ledger, run.id, state, counts=counts, reason=Sentence("ledger.no_run", run="7").written())
    waits = begin_run(ledger, "demo", RECONCILE, "manual__9", mode="full")
    set_state(ledger, waits.id, RunState.WAITING_APPROVAL)
    approvals.ask(ledger, waits.id, "digest", [Sentence("ledger.no_mismatch", mismatch=4).written()])
    leases.impose(ledger, "demo", Sentence("starting.refused").written())
    for action in ("pause", "resume", "check", "dry run", "reconcile", "lift quarantine", "apply", "export", "explain"):
        activity.note(ledger, by="bram", environment="demo", action=action, detail=DETAILS.get(action, ""))
    pages = {
        "environments": "/",
        "environment": "/environments/demo",
        "mismatches": "/mismatches?status=all",
        "runs": "/runs",
        "run": f"/runs/{loaded}",
        "run_plan": f"/runs/{loaded}?of=plan",
        "run_waiting": f"/runs/{waits.id}",
        "people": "/people",
        "person": "/people/demo/o1",
        "person_mismatch": f"/people/demo/m{ids['P1']}",
        "mismatch_target": f"/mismatches/{of_target}",
    }
    return pages | {f"mismatch_{person}": f"/mismatches/{number}" for person, number in ids.items()}


def _asked_of_a_target(ledger: Ledger) -> int:
    """Let a run ask of a cohort that Moodle has under another name, twice; gives the mismatch's number."""
    alike = (
        Alike(21, {"idnumber": "docenten-2027", "fullname": "Docenten"}),
        Alike(34, {"idnumber": "", "fullname": "docenten_2027"}),
    )
    asked = Question("cohort", "Docenten 2027", "idnumber", alike)
    run = begin_run(ledger, "demo", RECONCILE, "manual__1", mode="full")
    record_mismatches(ledger, "demo", run.id, mismatches([asked], {asked.target: 12}), full=False)
    (number,) = mismatch_page(ledger, MismatchFilter(verdicts=["target_elsewhere"])).rows["id"]
    return int(number)


def _loaded(ledger: Ledger) -> str:
    """Let a run write, with one outcome of each status; gives its id."""
    run = begin_run(ledger, "demo", RECONCILE, "manual__2", mode="full")
    missing = in_turn([Sentence("rule.lastname_missing"), Sentence("rule.lastname_missing.mend")]).written()
    unknown = Sentence("starting.no_dag").written()
    frames = [
        outcomes([1, 2], "done", at=NOW),
        outcomes([3], "rejected", at=NOW, code="lastname_missing", message=missing, verdict="", action="reject"),
        outcomes([4], "failed", at=NOW, code="unavailable", message=unknown, action="update", verdict="linked"),
        outcomes([5], "unknown", at=NOW, code="answer_lost", message=unknown),
        outcomes([6], "skipped", at=NOW, code="paused", message=""),
    ]
    access = access_outcomes()
    keys = [str(row) for frame in frames for row in frame["row"]]
    keys += [intention_key("access", position) for position in access["position"]]
    plan_intentions(ledger, run.id, keys, digest="a plan")
    settle_access(ledger, run.id, "access", access)
    for frame in frames:
        settle(ledger, run.id, frame)
    record_links(ledger, "demo", _links(frames[0]))
    end_run(
        ledger, run.id, RunState.DONE, counts={"done_create": 2, "rejected": 1, "failed": 1, "new.done": 2} | ACCESSED
    )
    return run.id


def _links(frame: pd.DataFrame) -> pd.DataFrame:
    links = frame[["idnumber", "account_id", "person_id", "username"]].copy()
    return links.assign(fingerprint="", created_by_us=True, suspended_by="")


ACCESSED = {
    "access_planned_give": 3,
    "access_done_give": 1,
    "access_done_take_back": 1,
    "access_rejected": 1,
    "access_waiting": 2,
}


def access_outcomes() -> pd.DataFrame:
    """Give outcomes of access (ACCESS_OUTCOMES): given with a window, taken back, refused, and sent without an answer."""
    unsaid = dict.fromkeys(ACCESS_OUTCOMES.texts, "") | {
        "suspended": False,
        "timestart": 0,
        "timeend": 0,
        "target_id": 4,
    }
    unsaid |= {"person_id": "p1", "idnumber": "x1", "account_id": 1001, "kind": "cohort", "at": pd.Timestamp(NOW)}
    window = {"timestart": 1798758000, "timeend": 1814392800, "role": "student", "kind": "course", "target": "BHV-2027"}
    missing = Sentence("access.why.target_missing", value="").written()
    rows = [
        window | {"action": "give", "status": "done"},
        {"target": "docenten", "action": "take_back", "status": "done"},
        {"target": "geen", "action": "reject", "status": "rejected", "code": "target_missing", "message": missing},
        window
        | {"person_id": "p2", "idnumber": "x2", "account_id": 1002, "action": "give", "status": "unknown"}
        | {"code": "answer_lost", "message": Sentence("access.unknown").written(), "suspended": True},
    ]
    return made(ACCESS_OUTCOMES, [unsaid | {"position": at} | row for at, row in enumerate(rows)])
