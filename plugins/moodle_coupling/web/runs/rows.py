"""Rows of a run (outcomes, or a plan's rows) as one user may see them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from starlette.datastructures import ImmutableMultiDict

from moodle_coupling.contract.columns import AccessAction, TargetKind
from moodle_coupling.contract.fields import FIELD_BY_NAME, FIELDS, PROFILE_PREFIX
from moodle_coupling.contract.verdicts import Group, Tone, Verdict, group_of
from moodle_coupling.ledger.cells import records
from moodle_coupling.ledger.outcomes import OutcomeFilter
from moodle_coupling.matching.evidence import evidence_of
from moodle_coupling.matching.frames import Action
from moodle_coupling.matching.reasons import reasons_of
from moodle_coupling.provisioning.load.rows import OutcomeStatus
from moodle_coupling.web.base.access import MASK, Access
from moodle_coupling.web.base.forms import seal, unseal
from moodle_coupling.web.base.words import Word, foreign, say
from moodle_coupling.words.meanings import how_to_mend, in_words
from moodle_coupling.words.sentence import Texts, in_turn

if TYPE_CHECKING:
    import pandas as pd


DISPUTED: Final = group_of(Group.DISPUTED)
HEAD: Final[dict[str, tuple[str, ...]]] = {str(group): group_of(group) for group in Group} | {
    "rejected": ("", "rejected", *group_of(Group.REJECTED))
}
"""Rows of the head table and the verdicts of each. A person rejected before matching has none ('' in the ledger,
'rejected' in a run's counts)."""
HEAD_WORDS: Final = {
    "linked": Word(say("Linked"), Tone.GOOD),
    "new": Word(say("New"), Tone.INFO),
    "disputed": Word(say("Disputed"), Tone.WARN),
    "unmatched": Word(say("Unmatched"), Tone.WARN),
    "protected": Word(say("Protected")),
    "rejected": Word(say("Rejected"), Tone.BAD),
}
HEAD_ABOUT: Final = {
    "linked": say("one account has the person's ID number"),
    "new": say("no account yet, and no question"),
    "disputed": say("somebody must judge: a mismatch"),
    "unmatched": say("an account without a person"),
    "protected": say("never written"),
    "rejected": say("the source must be mended first"),
}
STATUSES: Final = {
    "done": Word(say("succeeded"), Tone.GOOD),
    "rejected": Word(say("rejected"), Tone.WARN),
    "failed": Word(say("failed"), Tone.BAD),
    "skipped": Word(say("skipped")),
    "unknown": Word(say("unknown"), Tone.BAD),
}
"""Columns of the head table; 'rejected' so that each row adds up to its total."""
OPEN_FIELDS: Final = frozenset(field.name for field in FIELDS if not field.names_someone)
"""Fields whose values name nobody: shown to those who may not see names too."""
STEPS: Final = {"snapshot": say("Accounts read from Moodle"), "load": say("Written to Moodle")}
KINDS: Final = {
    "manual": say("by hand"),
    "scheduled": say("by its schedule"),
    "backfill": say("by a backfill"),
    "asset_triggered": say("by an asset"),
}
"""How a run of Airflow began."""


def field_word(texts: Texts, field: str) -> str:
    """Give a Moodle field's name for people; a profile field by its short name."""
    known = FIELD_BY_NAME.get(field)
    return texts(f"field.{known.name}") if known else field.removeprefix(PROFILE_PREFIX)


def code_word(texts: Texts, code: str) -> str:
    """Give what a code of an outcome means, in a few words."""
    return in_words(texts, code)


def mend_word(texts: Texts, code: str, status: str) -> str:
    """Give what a person does about an outcome; '' when nothing is to be done."""
    return how_to_mend(texts, code, status)


def shown(texts: Texts, value: Any) -> str:
    """Give a value of a field as a text; '' for none."""
    if isinstance(value, bool):
        return texts("yes") if value else texts("no")
    return "" if value is None else str(value)


_TROUBLE: Final = frozenset({"rejected", "failed", "unknown"})


@dataclass(frozen=True, slots=True)
class Change:
    """A field, what it was and what it becomes; ``said`` tells what comes of it where that is not plain."""

    field: str
    old: str
    new: str
    masked: bool = False
    said: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """An outcome, or a row of a plan (then ``status`` is ''); texts are masked where the user may not see names.

    ``ref`` leads to the person's page; '' where there is none.
    """

    environment: str
    ref: str
    who: str
    person_id: str
    extern_id: str
    idnumber: str
    account_id: int | None
    username: str
    verdict: str
    action: str
    status: str
    code: str
    meaning: str
    message: str
    foreign: bool
    mend: str
    changes: tuple[Change, ...]
    drift: tuple[Change, ...]
    run: str
    attempt: int
    at: dt.datetime | None

    @property
    def is_new(self) -> bool:
        """Tell whether its changes have no old values, the account being new."""
        return self.action == Action.CREATE


class Reader:
    """Makes rows for one user."""

    def __init__(self, access: Access, texts: Texts) -> None:
        self.access = access
        self.texts = self._ = texts

    def outcomes(self, frame: pd.DataFrame) -> list[Row]:
        """Make rows of the ledger's outcomes."""
        return self.of_records(records(frame))

    def of_records(self, found: list[dict[str, Any]]) -> list[Row]:
        """Make rows of outcomes that are records already."""
        return [self._row(one["environment"], one, ref=f"o{one['id']}") for one in found]

    def planned(self, environment: str, frame: pd.DataFrame) -> list[Row]:
        """Make rows of a plan (PLAN_COLUMNS)."""
        return [self._row(environment, one | _why(one)) for one in records(frame)]

    def _row(self, environment: str, one: Mapping[str, Any], *, ref: str = "") -> Row:
        code, status, sees = one["code"], one.get("status", ""), self.access.sees_names(environment)
        mask = self.access.mask(environment)
        trouble = status in _TROUBLE or one["action"] == Action.REJECT
        drift = json.loads(one.get("drift") or "{}")
        message = self._.say(one["message"]) if sees else ""
        mend = mend_word(self._, code, status or "rejected") if trouble else ""
        return Row(
            environment=environment,
            ref=ref,
            who=self._who(one, sees=sees),
            person_id=one["person_id"],
            extern_id=one["extern_id"],
            idnumber=one["idnumber"],
            account_id=one["account_id"],
            username=mask(one["username"]),
            verdict=one["verdict"],
            action=one["action"],
            status=status,
            code=code,
            meaning=code_word(self._, code) if code and (trouble or not sees) else "",
            message=message,
            foreign=foreign(self._, one["message"]),
            mend="" if mend in message else mend,
            changes=self._changes(one["changes"], drift, sees=sees),
            drift=self._drift(drift, json.loads(one["changes"] or "{}"), sees=sees),
            run=one.get("run", ""),
            attempt=one.get("attempt", 1),
            at=one.get("at"),
        )

    def _who(self, one: Mapping[str, Any], *, sees: bool) -> str:
        name = f"{one['firstname']} {one['lastname']}".strip()
        if name and sees:
            return name
        known = one["person_id"] or one["extern_id"] or one["idnumber"]
        if one["verdict"] == "orphan" or not known:
            return self._("Account {account}", account=one["account_id"] or "–")
        return self._("Person {id}", id=known)

    def _changes(self, text: str, drift: Mapping[str, Any], *, sees: bool) -> tuple[Change, ...]:
        by_hand = self._("changed by hand in Moodle")
        return tuple(
            self._change(name, old, new, sees=sees, said=by_hand if name in drift else "")
            for name, (old, new) in json.loads(text or "{}").items()
        )

    def _drift(self, drift: Mapping[str, Any], written: Collection[str], *, sees: bool) -> tuple[Change, ...]:
        """Give what was changed by hand and stays so; what is put right stands with the changes."""
        left = self._("left as it is")
        return tuple(
            self._change(name, here, there, sees=sees, said=left)
            for name, (here, there, _) in drift.items()
            if name not in written
        )

    def _change(self, name: str, old: Any, new: Any, *, sees: bool, said: str = "") -> Change:
        masked = not sees and name not in OPEN_FIELDS
        was, becomes = (MASK if masked and text else text for text in (shown(self._, old), shown(self._, new)))
        return Change(field_word(self._, name), was, becomes, masked=masked, said=said)


def _why(one: Mapping[str, Any]) -> dict[str, Any]:
    """Give code and message (a sentence) of a plan's row: its first reason that counts, else what it stands on."""
    reasons = reasons_of(one["reasons"])
    if not reasons:
        return {"code": "", "message": evidence_of(one)}
    return {"code": reasons[0].code, "message": in_turn(reason.said for reason in reasons)}


# ---- What of a run's rows is shown: read from a page's address or a form, and written back into addresses ----

LIMIT: Final = 50
"""Rows of a page."""
SORTS: Final = ("id", "name", "verdict", "action", "status", "at")
NAMELESS: Final = ("id", "verdict", "action", "status", "at")
"""Sorts that give no name away."""
LISTS: Final = ("outcomes", "plan", "access", "access_plan")
_VERDICTS: Final = {*HEAD, *(str(verdict) for verdict in Verdict)}
_MOST_DIGITS: Final = 9
_LONGEST_NAME: Final = 300
"""Moodle's ID numbers have 100 characters, its short names 255."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What is asked for; '' means all.

    ``of`` is 'outcomes' or 'plan', 'access' or 'access_plan', '' for what the run has. ``verdict`` is a verdict or a row of the
    head table. ``kind`` and ``target`` name a cohort or a course.
    ``drift``: only who was changed by hand in Moodle. ``text`` is what somebody typed, in the clear.
    """

    of: str = ""
    status: str = ""
    action: str = ""
    verdict: str = ""
    code: str = ""
    kind: str = ""
    target: str = ""
    drift: bool = False
    text: str = ""
    sort: str = "id"
    descending: bool = False
    offset: int = 0

    def query(self, **other: Any) -> dict[str, Any]:
        """Give what an address must carry for this, or for this with something else; what is usual is left out."""
        this = replace(self, **other) if other else self
        ordered = this.sort != "id" or this.descending
        return {
            name: value
            for name, value in {
                "of": this.of,
                "status": this.status,
                "action": this.action,
                "verdict": this.verdict,
                "code": this.code,
                "kind": this.kind,
                "target": this.target,
                "drift": int(this.drift),
                "q": seal(this.text),
                "sort": this.sort if ordered else "",
                "desc": int(this.descending),
                "offset": this.offset,
            }.items()
            if value not in ("", 0)
        }

    @property
    def narrowed(self) -> bool:
        """Tell whether some rows are left out."""
        chosen = (self.status, self.action, self.verdict, self.code, self.kind, self.target, self.drift, self.text)
        return any(chosen)

    @property
    def verdicts(self) -> tuple[str, ...]:
        """Give the verdicts that are asked for; none for all."""
        return HEAD.get(self.verdict, (self.verdict,)) if self.verdict else ()

    def for_ledger(self) -> OutcomeFilter:
        """Give the ledger's filter."""
        return OutcomeFilter(
            statuses=[self.status] if self.status else [],
            actions=[self.action] if self.action else [],
            verdicts=self.verdicts,
            codes=[self.code] if self.code else [],
            text=self.text,
        )


def read_filters(sent: ImmutableMultiDict[str, Any], *, names: bool) -> Filters:
    """Read what a page or a form asks for; what nobody knows is left out.

    Without ``names`` (the user may not see them) nobody is looked for by text, and no order tells names.
    A search typed just now (``text``) counts before a sealed one (``q``).
    """
    typed = sent.get("text")
    text = typed if isinstance(typed, str) else unseal(str(sent.get("q", "")))
    return Filters(
        of=_one(sent, "of", LISTS),
        status=_one(sent, "status", set(OutcomeStatus)),
        action=_one(sent, "action", {*Action, *AccessAction}),
        verdict=_one(sent, "verdict", _VERDICTS),
        code=str(sent.get("code", ""))[:100],
        kind=_one(sent, "kind", set(TargetKind)),
        target=str(sent.get("target", ""))[:_LONGEST_NAME],
        drift=sent.get("drift") == "1",
        text=text.strip() if names else "",
        sort=_one(sent, "sort", SORTS if names else NAMELESS) or "id",
        descending=sent.get("desc") == "1",
        offset=_whole(sent.get("offset")),
    )


def _one(sent: ImmutableMultiDict[str, Any], name: str, known: Any) -> str:
    asked = str(sent.get(name, ""))
    return asked if asked in known else ""


def _whole(asked: Any) -> int:
    text = str(asked or "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else 0
