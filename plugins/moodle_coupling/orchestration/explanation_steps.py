"""The trace of one person: five steps from the source to Moodle, each one sentence for a log and details for a person."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.contract.verdicts import MISMATCHES, Verdict
from moodle_coupling.hooks.moodle.probes import unseen_field
from moodle_coupling.mapping.file import source_path
from moodle_coupling.matching.evidence import evidence_of
from moodle_coupling.matching.frames import WRITING_ACTIONS, Action
from moodle_coupling.matching.reasons import reasons_of
from moodle_coupling.orchestration.explanation_sources import (
    as_change,
    changes_of,
    field_origins,
    near_ids,
    username_lines,
    why_out_of_scope,
)
from moodle_coupling.words.meanings import how_to_mend
from moodle_coupling.words.sentence import ENGLISH, in_turn

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from collections.abc import Mapping as MappingOf

    import pandas as pd

    from moodle_coupling.contract.account import Account
    from moodle_coupling.errors import MoodleError
    from moodle_coupling.mapping import Mapping
    from moodle_coupling.orchestration.explanation_sources import History, Record
    from moodle_coupling.sources.contract import Extract


@dataclass(frozen=True, slots=True)
class Step:
    """One step. ``ok`` is False where the person got no further, or something must be mended or decided.

    ``said`` is one sentence that holds ids, codes and counts only, fit for a log; ``lines`` are the details, with names
    and values. ``facts`` are the same for programs: plain JSON values.
    """

    number: int
    title: str
    ok: bool
    said: str
    lines: tuple[str, ...] = ()
    facts: MappingOf[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trace:
    """What was found out about one person in one environment; always five steps, in order.

    ``person`` is the id that was asked for, as given; ``found`` the person id that it belongs to in the source, '' where the
    source has nobody of that id: what was typed may be a name or an address, and is not kept. ``status`` is the outcome (OutcomeStatus) of writing, '' when
    nothing was to be written or writing was not asked for.
    """

    environment: str
    person: str
    steps: tuple[Step, ...]
    status: str = ""
    found: str = ""

    @property
    def ok(self) -> bool:
        """Whether every step went well."""
        return all(step.ok for step in self.steps)

    def text(self, *, named: bool = True) -> str:
        """Give the trace for reading; without ``named`` no name, address or other value is in it, as a log wants."""
        parts = [f"Person {self.person} in environment '{self.environment}'"]
        for step in self.steps:
            parts.append(f"{step.number}. {step.title}: {'' if step.ok else '! '}{step.said}")
            if named:
                parts += [f"     {line}" for line in step.lines]
        return "\n".join(parts)

    def json(self) -> str:
        """Give the trace as JSON, with names and values."""
        steps = [
            {
                "number": step.number,
                "title": step.title,
                "ok": step.ok,
                "said": step.said,
                "lines": list(step.lines),
                "facts": dict(step.facts),
            }
            for step in self.steps
        ]
        whole = {
            "environment": self.environment,
            "person": self.person,
            "ok": self.ok,
            "status": self.status,
            "steps": steps,
        }
        return json.dumps(whole, indent=2, ensure_ascii=False)


TITLES: Final = {
    1: "Found in the source",
    2: "In scope and valid",
    3: "Username and fields",
    4: "Matched with an account",
    5: "What is written",
}
_SHOWN: Final = 5
_UNREAD: Final = (
    "Nobody has read all accounts of this Moodle lately, so one whose ID number or address differs in letter case or spaces "
    "may not have been found. The next run reads them all first."
)


def step(number: int, said: str, *lines: str, ok: bool = True, **facts: Any) -> Step:
    """Make a step under its title."""
    return Step(number, TITLES[number], ok, said, lines, facts)


def not_reached(number: int, why: str) -> Step:
    """Make a step that the person did not come to."""
    return step(number, f"not reached: {why}.", ok=False)


def found(extract: Extract, candidates: pd.DataFrame, mine: pd.DataFrame, person: str, mapping: Mapping) -> Step:
    """Step 1. ``mine`` are the candidates with that id, of whom the first is followed."""
    where = source_path(mapping)
    if mine.empty:
        return _not_found(extract, candidates, person, where)
    lines = [int(row) for row in mine["row"]]
    first = mine.iloc[0]
    ids = f"person id '{first['person_id']}', extern id '{first['extern_id']}', idnumber '{first['idnumber']}'"
    if len(lines) == 1:
        return step(1, f"line {lines[0]}.", f"{where}: {ids}", row=lines[0], rows=lines)
    others = ", ".join(map(str, lines[1 : _SHOWN + 1]))
    return step(
        1,
        f"{len(lines)} lines have this id; line {lines[0]} is followed.",
        f"{where}: {ids}",
        f"The others: line {others}{' …' if len(lines) > _SHOWN + 1 else ''}. Mend the source, or ask by another id.",
        ok=False,
        row=lines[0],
        rows=lines,
    )


def _not_found(extract: Extract, candidates: pd.DataFrame, person: str, where: str) -> Step:
    ids = [id_ for name in ("person_id", "extern_id", "idnumber") for id_ in candidates[name].unique()]
    near = near_ids(person, ids)
    lines = [f"{where}: {extract.counts.persons} persons, and none with this person id, extern id or idnumber."]
    if near:
        lines.append(f"Near it: {', '.join(near)}.")
    if extract.left_out:
        lines.append(f"{len(extract.left_out)} lines could not be read; the person may stand on one of them:")
        lines += [f"  line {one.line}: {ENGLISH.say(one.message)}" for one in extract.left_out[:_SHOWN]]
    return step(1, "not there.", *lines, ok=False, near=near)


def valid(record: Record, candidate: pd.Series[Any], reasons: pd.DataFrame) -> Step:
    """Step 2. ``reasons`` are the person's own."""
    if not candidate["in_scope"]:
        outside = why_out_of_scope(record)
        names = ", ".join(text.partition(":")[0] for text in outside)
        return step(2, f"out of scope: {names}.", *outside, ok=False, in_scope=False, conditions=[*outside], reasons=[])
    lines = [f"{row['code']}: {ENGLISH.say(row['said'])}{_stops(row['blocks'])}" for _, row in reasons.iterrows()]
    codes = [str(code) for code in reasons["code"]]
    rejected = bool((reasons["blocks"] == "all").any())
    said = "in scope" + (f"; {', '.join(codes)}." if codes else ", nothing to mend.")
    if rejected:
        said = f"rejected: {', '.join(codes)}."
    facts = {"in_scope": True, "conditions": [], "reasons": codes}
    return step(2, said, *lines, ok=not (reasons["blocks"] != "").any(), **facts)


def _stops(blocks: str) -> str:
    return {"all": " (nothing is written)", "create": " (no new account; an existing one keeps that field)"}.get(
        blocks, ""
    )


def fields(
    record: Record,
    candidate: pd.Series[Any],
    row: pd.DataFrame | None,
    history: History,
    *,
    from_file: Collection[str],
) -> Step:
    """Step 3. ``row`` is the person's row of the plan; None when there is none."""
    base = str(candidate["username"])
    final = base if row is None else str(row["username"].iloc[0])
    lines = username_lines(record, base)
    if row is not None and final and final != base:
        kept = "the account keeps" if row["account_id"].notna().iloc[0] else "taken, so it becomes"
        lines.append(f"  {kept} '{final}'")
    values: dict[str, Any] = {"username": final}
    for name, origin in field_origins(record, email=str(candidate["email"]), from_file=from_file).items():
        values[name] = str(candidate[name])
        lines.append(f"{name}: '{values[name]}' – {origin}{_last(history, name)}")
    if not history.known:
        lines.append("What was last written is not known: there is no ledger to ask.")
    empty = [name for name in ("username", "firstname", "lastname", "email", "idnumber") if not values[name]]
    said = f"recipe {record.mapping.username.recipe.value}; {len(values)} fields"
    said += f"; empty: {', '.join(empty)}." if empty else "."
    return step(3, said, *lines, ok=not empty, recipe=record.mapping.username.recipe.value, base=base, fields=values)


def _last(history: History, name: str) -> str:
    last = history.written.get(name)
    return "" if last is None else f" (last written {last.at:%Y-%m-%d %H:%M} UTC: '{last.value}')"


def matched(row: pd.Series[Any], history: History, *, everyone_known: bool, unseen: Sequence[str] = ()) -> Step:
    """Step 4, from the person's row of the plan.

    ``everyone_known``: a reading of everyone stands behind it; ``unseen`` are fields that the service user may not see.
    """
    verdict, number = str(row["verdict"]), None if _absent(row["account_id"]) else int(row["account_id"])
    others = json.loads(row["other_accounts"])
    words = ENGLISH(f"verdict.{verdict}.code") if verdict else "rejected before matching"
    said = f"{verdict or 'no verdict'} ({words})"
    if number is not None:
        said += f", account {number}"
    if others:
        said += f"; the question points at account {', '.join(map(str, others))}"
    lines = [ENGLISH.say(evidence_of(row.to_dict()))]
    if row["proposal"]:
        lines.append(f"Proposal: {row['proposal']}.")
    if verdict == Verdict.NEW and not everyone_known:
        lines.append(_UNREAD)
    lines += [str(in_turn(unseen_field(field))) for field in unseen]
    lines += history.mismatches
    ok = bool(verdict) and verdict not in MISMATCHES and verdict != Verdict.DUPLICATE_PERSON
    facts = {"verdict": verdict, "account_id": number, "other_accounts": others, "proposal": str(row["proposal"])}
    return step(4, f"{said}.", *lines, ok=ok, **facts)


def _absent(value: Any) -> bool:
    import pandas as pd

    return bool(pd.isna(value))


def moodle_away(error: MoodleError) -> Step:
    """Step 4, where Moodle did not answer as it should."""
    return step(4, f"Moodle could not be asked ({type(error).__name__}).", str(error), ok=False)


def account_of_nobody(accounts: Sequence[Account] | MoodleError, person: str) -> Step:
    """Step 4 for an id that the source does not have: an account may have it as its idnumber."""
    if isinstance(accounts, Exception):
        return moodle_away(accounts)
    exact = [one for one in accounts if one.idnumber == person]
    if not exact:
        return step(4, "no account has it as idnumber either.", ok=False, account_id=None)
    lines = [
        f"account {one.id} ({one.username}){', suspended' if one.suspended else ''}: on a full run it is an orphan"
        for one in exact
    ]
    said = f"account {', '.join(str(one.id) for one in exact)} has it as idnumber, and no person."
    return step(4, said, *lines, ok=False, account_id=exact[0].id)


def nothing_for_nobody(mapping: Mapping, history: History) -> Step:
    """Step 5 for an id that the source does not have."""
    policy = mapping.leavers.policy.value
    said = f"nothing; leavers.policy is '{policy}', which full runs carry out."
    return step(5, said, *_lately(history), ok=False, action="", changes={})


def nothing_out_of_scope(history: History) -> Step:
    """Step 5 for a person who does not belong in this Moodle."""
    return step(5, "nothing: the person is out of scope.", *_lately(history), ok=False, action="", changes={})


def written(row: pd.Series[Any], outcome: pd.Series[Any] | None, history: History, *, asked_to_write: bool) -> Step:
    """Step 5: what the plan intends, what became of it (``outcome``), and what happened before."""
    action, changes = Action(row["action"]), changes_of(row["changes"])
    facts: dict[str, Any] = {"action": action.value, "changes": {name: list(pair) for name, pair in changes.items()}}
    lines = [as_change(name, *pair) for name, pair in changes.items()]
    lines += [f"{one.code}: {one.said}" for one in reasons_of(row["reasons"])]
    if outcome is None:
        said, ok = _intended(row, action, list(changes))
        if asked_to_write:
            said, ok = f"nothing was written: it is not clear which person is meant. It would be: {said}", False
        return step(5, said, *lines, *_lately(history), ok=ok, **facts)
    status, code = str(outcome["status"]), str(outcome["code"])
    facts |= {"status": status, "code": code}
    said = f"{action.value} {status}{f' ({code})' if code else ''}"
    if not _absent(outcome["account_id"]):
        said += f", account {int(outcome['account_id'])}"
    if outcome["message"]:
        lines.append(ENGLISH.say(outcome["message"]))
    mend = how_to_mend(ENGLISH, code, status) if status not in {"done", "skipped"} else ""
    return step(5, f"{said}.", *lines, *([mend] if mend else []), *_lately(history), ok=not mend, **facts)


def _intended(row: pd.Series[Any], action: Action, names: list[str]) -> tuple[str, bool]:
    if action in WRITING_ACTIONS:
        return f"{action.value}, not written yet: {', '.join(names)}.", True
    if action is Action.REJECT:
        return "nothing: the person is rejected.", False
    if row["verdict"] in MISMATCHES:
        return "nothing: a mismatch waits for a decision.", False
    if row["verdict"] == Verdict.PROTECTED:
        return "nothing: the account is protected.", True
    return "nothing: Moodle holds all of it already.", True


def _lately(history: History) -> list[str]:
    return [f"Before: {line}" for line in history.outcomes]
