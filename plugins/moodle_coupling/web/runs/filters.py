"""What of a run's rows is shown: read from a page's address or a form, and written back into addresses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from starlette.datastructures import ImmutableMultiDict

from moodle_coupling.contract.access import AccessAction, TargetKind
from moodle_coupling.contract.verdicts import Verdict
from moodle_coupling.ledger.outcomes import OutcomeFilter
from moodle_coupling.matching.frames import Action
from moodle_coupling.provisioning.load.outcomes import OutcomeStatus
from moodle_coupling.web.base.forms import seal, unseal
from moodle_coupling.web.runs.rows import HEAD

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
