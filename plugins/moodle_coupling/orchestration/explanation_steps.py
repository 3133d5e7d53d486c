"""The trace of one person: its steps from the source to Moodle, each one sentence for a log and details for a person."""

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
    done,
    field_origins,
    near_ids,
    username_lines,
    why_out_of_scope,
    word,
)
from moodle_coupling.words.meanings import mend_of, target_named
from moodle_coupling.words.sentence import ENGLISH, Sentence, as_sentence, in_turn

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from collections.abc import Mapping as MappingOf

    import pandas as pd

    from moodle_coupling.access.questions import Target
    from moodle_coupling.contract.fields import Account
    from moodle_coupling.errors import MoodleError
    from moodle_coupling.ledger.access import Known
    from moodle_coupling.mapping import Mapping
    from moodle_coupling.orchestration.explanation_sources import History, Record
    from moodle_coupling.sources.contract import Extract
    from moodle_coupling.words.sentence import Texts


@dataclass(frozen=True, slots=True)
class Step:
    """One step. ``ok`` is False where the person got no further, or something must be mended or decided.

    ``said`` is one sentence that holds ids, codes and counts only, fit for a log; ``lines`` are the details, with names
    and values. ``facts`` are the same for programs: plain JSON values, texts in English.
    """

    number: int
    ok: bool
    said: Sentence
    lines: tuple[Sentence, ...] = ()
    facts: MappingOf[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> Sentence:
        """What the step finds out."""
        return Sentence(f"explain.title.{self.number}")


@dataclass(frozen=True, slots=True)
class Trace:
    """What was found out about one person in one environment; five steps, in order.

    There is a sixth where the mapping gives access to cohorts and courses.

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

    def text(self, texts: Texts = ENGLISH, *, named: bool = True) -> str:
        """Give the trace for reading; without ``named`` no name, address or other value is in it, as a log wants."""
        parts = [texts.say(heading_of(self.person, self.environment))]
        for step in self.steps:
            parts.append(f"{step.number}. {texts.say(step.title)}: {'' if step.ok else '! '}{texts.say(step.said)}")
            if named:
                parts += [f"     {texts.say(line)}" for line in step.lines]
        return "\n".join(parts)

    def json(self) -> str:
        """Give the trace as JSON in English, with names and values, for programs."""
        steps = [
            {
                "number": step.number,
                "title": ENGLISH.say(step.title),
                "ok": step.ok,
                "said": ENGLISH.say(step.said),
                "lines": [ENGLISH.say(line) for line in step.lines],
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


_SHOWN: Final = 5
_IDS: Final = ("person_id", "extern_id", "idnumber")


def heading_of(person: str, environment: str) -> Sentence:
    """Give what a trace begins with."""
    return Sentence("explain.heading", person=person, environment=environment)


def step(number: int, said: Sentence, *lines: Sentence, ok: bool = True, **facts: Any) -> Step:
    """Make a step under its title."""
    return Step(number, ok, said, lines, facts)


def not_reached(number: int, why: Sentence) -> Step:
    """Make a step that the person did not come to."""
    return step(number, why, ok=False)


def found(extract: Extract, candidates: pd.DataFrame, mine: pd.DataFrame, person: str, mapping: Mapping) -> Step:
    """Step 1. ``mine`` are the candidates with that id, of whom the first is followed."""
    where = source_path(mapping)
    if mine.empty:
        return _not_found(extract, candidates, person, where)
    lines = [int(row) for row in mine["row"]]
    first = mine.iloc[0]
    ids = Sentence("explain.ids", where=where, **{name: str(first[name]) for name in _IDS})
    if len(lines) == 1:
        return step(1, Sentence("explain.line", line=lines[0]), ids, row=lines[0], rows=lines)
    others = ", ".join(map(str, lines[1 : _SHOWN + 1])) + (" …" if len(lines) > _SHOWN + 1 else "")
    return step(
        1,
        Sentence("explain.lines", number=len(lines), line=lines[0]),
        ids,
        Sentence("explain.other_lines", lines=others),
        ok=False,
        row=lines[0],
        rows=lines,
    )


def _not_found(extract: Extract, candidates: pd.DataFrame, person: str, where: Sentence) -> Step:
    near = near_ids(person, [id_ for name in _IDS for id_ in candidates[name].unique()])
    lines = [Sentence("explain.nobody", where=where, n=extract.counts.persons)]
    if near:
        lines.append(Sentence("explain.near", ids=near))
    if extract.left_out:
        lines.append(Sentence("explain.unread_lines", n=len(extract.left_out)))
        lines += [
            Sentence("explain.unread_line", line=one.line, message=as_sentence(one.message))
            for one in extract.left_out[:_SHOWN]
        ]
    return step(1, Sentence("explain.not_there"), *lines, ok=False, near=near)


def valid(record: Record, candidate: pd.Series[Any], reasons: pd.DataFrame) -> Step:
    """Step 2. ``reasons`` are the person's own."""
    if not candidate["in_scope"]:
        outside = why_out_of_scope(record)
        facts: dict[str, Any] = {"in_scope": False, "conditions": [*map(str, outside.values())], "reasons": []}
        return step(2, Sentence("explain.outside", conditions=list(outside)), *outside.values(), ok=False, **facts)
    lines = [_reason(row["code"], row["said"], row["blocks"]) for _, row in reasons.iterrows()]
    codes = [str(code) for code in reasons["code"]]
    said = Sentence("explain.inside_but", codes=codes) if codes else Sentence("explain.inside")
    if (reasons["blocks"] == "all").any():
        said = Sentence("explain.rejected", codes=codes)
    facts = {"in_scope": True, "conditions": [], "reasons": codes}
    return step(2, said, *lines, ok=not (reasons["blocks"] != "").any(), **facts)


def _reason(code: str, said: Sentence | str, blocks: str = "") -> Sentence:
    reason = Sentence("explain.reason", code=code, said=as_sentence(said))
    if blocks == "all":
        return Sentence("explain.stops_all", reason=reason)
    return Sentence("explain.stops_create", reason=reason) if blocks == "create" else reason


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
        keeps = row["account_id"].notna().iloc[0]
        lines.append(Sentence("explain.kept" if keeps else "explain.taken", username=final))
    values: dict[str, Any] = {"username": final}
    for name, origin in field_origins(record, email=str(candidate["email"]), from_file=from_file).items():
        values[name] = str(candidate[name])
        line, last = Sentence("explain.field", field=name, value=values[name], origin=origin), history.written.get(name)
        if last is not None:
            line = Sentence(
                "explain.last_written", line=line, at=f"{last.at:%Y-%m-%d %H:%M} UTC", value=str(last.value)
            )
        lines.append(line)
    if not history.known:
        lines.append(Sentence("explain.no_ledger"))
    empty = [name for name in ("username", "firstname", "lastname", "email", "idnumber") if not values[name]]
    recipe, number = record.mapping.username.recipe.value, len(values)
    said = Sentence("explain.fields", recipe=recipe, number=number)
    if empty:
        said = Sentence("explain.fields_empty", recipe=recipe, number=number, empty=empty)
    return step(3, said, *lines, ok=not empty, recipe=recipe, base=base, fields=values)


def matched(row: pd.Series[Any], history: History, *, everyone_known: bool, unseen: Sequence[str] = ()) -> Step:
    """Step 4, from the person's row of the plan.

    ``everyone_known``: a reading of everyone stands behind it; ``unseen`` are fields that the service user may not see.
    """
    verdict, number = str(row["verdict"]), None if _absent(row["account_id"]) else int(row["account_id"])
    others = json.loads(row["other_accounts"])
    said = Sentence("explain.no_verdict")
    if verdict:
        said = Sentence("explain.verdict", verdict=verdict, words=Sentence(f"verdict.{verdict}.code"))
    if number is not None:
        said = Sentence("explain.with_account", said=said, account=number)
    if others:
        said = Sentence("explain.pointing", said=said, accounts=others)
    lines = [evidence_of(row.to_dict())]
    if row["proposal"]:
        lines.append(Sentence("explain.proposal", proposal=word(str(row["proposal"]))))
    if verdict == Verdict.NEW and not everyone_known:
        lines.append(Sentence("explain.accounts_unread"))
    lines += [in_turn(unseen_field(field)) for field in unseen]
    lines += history.mismatches
    ok = bool(verdict) and verdict not in MISMATCHES and verdict != Verdict.DUPLICATE_PERSON
    facts = {"verdict": verdict, "account_id": number, "other_accounts": others, "proposal": str(row["proposal"])}
    return step(4, Sentence("explain.whole", said=said), *lines, ok=ok, **facts)


def _absent(value: Any) -> bool:
    import pandas as pd

    return bool(pd.isna(value))


def moodle_away(error: MoodleError) -> Step:
    """Step 4, where Moodle did not answer as it should."""
    return step(4, Sentence("explain.moodle_away", error=type(error).__name__), error.said, ok=False)


def account_of_nobody(accounts: Sequence[Account] | MoodleError, person: str) -> Step:
    """Step 4 for an id that the source does not have: an account may have it as its idnumber."""
    if isinstance(accounts, Exception):
        return moodle_away(accounts)
    exact = [one for one in accounts if one.idnumber == person]
    if not exact:
        return step(4, Sentence("explain.no_account"), ok=False, account_id=None)
    lines = [
        Sentence(
            "explain.orphan_suspended" if one.suspended else "explain.orphan",
            account=one.id,
            username=one.username,
        )
        for one in exact
    ]
    said = Sentence("explain.account_of_nobody", n=len(exact), accounts=[one.id for one in exact])
    return step(4, said, *lines, ok=False, account_id=exact[0].id)


def nothing_for_nobody(mapping: Mapping, history: History) -> Step:
    """Step 5 for an id that the source does not have."""
    policy = mapping.leavers.policy.value
    said = Sentence("explain.nothing_for_nobody", policy=policy)
    return step(5, said, *history.outcomes, ok=False, action="", changes={})


def nothing_out_of_scope(history: History) -> Step:
    """Step 5 for a person who does not belong in this Moodle."""
    said = Sentence("explain.nothing_out_of_scope")
    return step(5, said, *history.outcomes, ok=False, action="", changes={})


def written(row: pd.Series[Any], outcome: pd.Series[Any] | None, history: History, *, asked_to_write: bool) -> Step:
    """Step 5: what the plan intends, what became of it (``outcome``), and what happened before."""
    action, changes = Action(row["action"]), changes_of(row["changes"])
    facts: dict[str, Any] = {"action": action.value, "changes": {name: list(pair) for name, pair in changes.items()}}
    lines = [as_change(name, *pair) for name, pair in changes.items()]
    lines += [_reason(one.code, one.said) for one in reasons_of(row["reasons"])]
    if outcome is None:
        said, ok = _intended(row, action, list(changes))
        if asked_to_write:
            said, ok = Sentence("explain.unclear_person", intended=said), False
        return step(5, said, *lines, *history.outcomes, ok=ok, **facts)
    status, code = str(outcome["status"]), str(outcome["code"])
    facts |= {"status": status, "code": code}
    said = done(action.value, status, code)
    if not _absent(outcome["account_id"]):
        said = Sentence("explain.with_account", said=said, account=int(outcome["account_id"]))
    if outcome["message"]:
        lines.append(as_sentence(outcome["message"]))
    mend = mend_of(code, status) if status not in {"done", "skipped"} else None
    lines += [mend] if mend else []
    return step(5, Sentence("explain.whole", said=said), *lines, *history.outcomes, ok=mend is None, **facts)


def _intended(row: pd.Series[Any], action: Action, names: list[str]) -> tuple[Sentence, bool]:
    if action in WRITING_ACTIONS:
        return Sentence("explain.not_yet", action=word(action.value), fields=names), True
    if action is Action.REJECT:
        return Sentence("explain.nothing_rejected"), False
    if row["verdict"] in MISMATCHES:
        return Sentence("explain.nothing_mismatch"), False
    if row["verdict"] == Verdict.PROTECTED:
        return Sentence("explain.nothing_protected"), True
    return Sentence("explain.nothing_new"), True


def access(wanted: pd.DataFrame, given: pd.DataFrame | None, known: MappingOf[Target, Known] | None = None) -> Step:
    """Say where the person belongs (rows of ACCESS_WANTED), and what was given; ``given`` None where there is no ledger.

    ``known``: what the ledger knows of the person's targets that Moodle does not have by name.
    """
    fine = wanted[wanted["code"] == ""]
    lines = [
        Sentence("explain.access.belongs", kind=Sentence(f"access.kind.{row['kind']}"), target=row["target"])
        if not row["code"]
        else Sentence(
            "explain.access.not",
            kind=Sentence(f"access.kind.{row['kind']}"),
            target=row["target"],
            why=Sentence(f"access.why.{row['code']}", value=row["value"]),
        )
        for row in wanted.to_dict("records")
    ]
    lines += [said for target, one in (known or {}).items() for said in _of_name(target, one)]
    ours = given[given["ours"]] if given is not None else None
    for row in ours.to_dict("records") if ours is not None else ():
        kind = Sentence(f"access.kind.{row['kind']}")
        lines.append(
            Sentence("explain.access.given", kind=kind, target=row["target"], since=f"{row['given_at']:%Y-%m-%d}")
        )
    number = 0 if ours is None else len(ours)
    facts = {
        "belongs": fine[["kind", "target"]].to_dict("records"),
        "given": [] if ours is None else ours[["kind", "target"]].to_dict("records"),
    }
    said = Sentence("explain.access", belongs=len(fine), refused=len(wanted) - len(fine), given=number)
    return step(6, said, *lines, ok=len(fine) == len(wanted), **facts)


def _of_name(target: Target, known: Known) -> list[Sentence]:
    """Say what a target stands for, or that it is asked; nothing where it is neither."""
    about = {"kind": Sentence(f"access.kind.{target[0]}"), "name": target[1], "mismatch": known.mismatch}
    if known.number is not None:
        return [
            Sentence("explain.access.stands_for", meant=target_named(known.number, known.values), by=known.by, **about)
        ]
    return [Sentence("explain.access.asked", **about)] if known.is_asked else []
