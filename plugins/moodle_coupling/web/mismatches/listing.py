"""The list of mismatches: what is asked for, what stands on one page of it, and the counts beside the filters."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from starlette.datastructures import FormData, ImmutableMultiDict

from moodle_coupling.contract.verdicts import DECIDABLE
from moodle_coupling.ledger.mismatches import MARKS, MismatchFilter, decision_counts, mismatch_counts, mismatch_page
from moodle_coupling.ledger.runs import latest_runs
from moodle_coupling.ledger.words import MismatchStatus
from moodle_coupling.web.base import words
from moodle_coupling.web.base.access import Access
from moodle_coupling.web.base.couplings import the_ledger
from moodle_coupling.web.base.forms import seal, unseal
from moodle_coupling.web.base.words import say
from moodle_coupling.web.mismatches.rows import PROPOSED, Reader, Row
from moodle_coupling.words.sentence import Texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moodle_coupling.ledger.ledger import Ledger

SIZES: Final = (25, 50, 100, 200)
"""How many rows a page of the list can have."""
LIMIT: Final = 50
"""How many it has unless somebody chooses."""
AGES: Final = (1, 7, 30, 90)
"""Days that a mismatch can be asked to be old at least."""
LIKENESSES: Final = (50, 70, 90, 100)
"""How alike (of 100) one can ask for at least."""
STATUSES: Final = tuple(str(status) for status in MismatchStatus)
VERDICTS: Final = tuple(str(verdict) for verdict in DECIDABLE)
PROPOSALS: Final = ("link", "re-key", "suspend")
SORTS: Final = ("name", "verdict", "score", "due", "first_seen", "last_seen")
NAMELESS: Final = ("verdict", "score", "due", "first_seen", "last_seen")
"""Sorts that give no name away."""
ANY: Final = "all"
AGE_WORDS: Final = {
    0: say("Any age"),
    1: say("A day or more"),
    7: say("A week or more"),
    30: say("A month or more"),
    90: say("Three months or more"),
}

DUE_WORDS: Final = {
    "": say("Any day, or none"),
    "overdue": say("Overdue"),
    "week": say("Within a week, or overdue"),
    "none": say("No day"),
}
MINE: Final = "*me"
NOBODYS: Final = "*nobody"
"""Whose it is to judge, where that is no name: whoever looks, so that the address can be sent; nobody in particular."""
MARK_WORDS: Final = {"note": say("With a note"), "later": say("Postponed")}
LIKENESS: Final = say("{n}% or more")


@dataclass(frozen=True, slots=True)
class Filters:
    """What is asked for; an empty choice means all. ``text`` is what somebody typed, in the clear."""

    environments: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()
    status: str = MismatchStatus.OPEN.value
    proposals: tuple[str, ...] = ()
    age: int = 0
    alike: int = 0
    decided_by: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    assigned: tuple[str, ...] = ()
    due: str = ""
    text: str = ""
    sort: str = "last_seen"
    descending: bool = True
    offset: int = 0
    size: int = LIMIT

    def query(self, **other: Any) -> dict[str, Any]:
        """Give what an address must carry for this, or for this with something else; the usual is left out."""
        this = replace(self, **other) if other else self
        usual = Filters()
        order = "" if (this.sort, this.descending) == (usual.sort, usual.descending) else this.sort
        return {
            name: value
            for name, value in {
                "environment": list(this.environments),
                "verdict": list(this.verdicts),
                "status": "" if this.status == usual.status else this.status or ANY,
                "proposal": list(this.proposals),
                "age": this.age,
                "alike": this.alike,
                "by": list(this.decided_by),
                "mark": list(this.marks),
                "assigned": list(this.assigned),
                "due": this.due,
                "q": seal(this.text),
                "sort": order,
                "desc": int(this.descending) if order else "",
                "size": "" if this.size == usual.size else this.size,
                "offset": this.offset,
            }.items()
            if value not in ("", 0, []) or (name == "desc" and value == 0)
        }

    def pairs(self, **other: Any) -> list[tuple[str, Any]]:
        """Give the query as the hidden fields of a form."""
        return [
            (name, one)
            for name, value in self.query(**other).items()
            for one in (value if isinstance(value, list) else [value])
        ]

    @property
    def narrowed(self) -> bool:
        """Tell whether anything but the status is asked for."""
        some = (self.environments, self.verdicts, self.proposals, self.decided_by, self.marks, self.assigned)
        return any(some) or bool(self.age or self.alike or self.due or self.text)

    def for_ledger(self, access: Access, now: dt.datetime) -> MismatchFilter:
        """Give the ledger's filter, for what the user may read; one who may not see names finds nobody by one either."""
        readable, today = access.environments(), now.date()
        days = {"overdue": today, "week": today + dt.timedelta(days=8)}
        whose = {MINE: access.name, NOBODYS: ""}
        return MismatchFilter(
            readable=readable,
            environments=self.environments or None,
            verdicts=self.verdicts,
            statuses=[self.status] if self.status else [],
            proposals=self.proposals,
            text=self.text,
            by_name=all(access.sees_names(name) for name in readable),
            least_score=self.alike or None,
            decided_by=self.decided_by,
            marks=self.marks,
            assigned_to=[whose.get(name, name) for name in self.assigned],
            due_before=days[self.due].isoformat() if self.due in days else "",
            undated=self.due == "none",
            first_seen_before=now - dt.timedelta(days=self.age) if self.age else None,
        )


def read_filters(sent: ImmutableMultiDict[str, Any], access: Access) -> Filters:
    """Read what a page or a form asks for; what the user may not ask for, or nobody knows, is left out.

    A search typed just now (``text``) counts before a sealed one (``q``).
    """
    known = access.environments()
    sorts = SORTS if all(access.sees_names(name) for name in known) else NAMELESS
    status = str(sent.get("status", ""))
    text = sent.get("text")
    return Filters(
        environments=_chosen(sent, "environment", known),
        verdicts=_chosen(sent, "verdict", VERDICTS),
        status="" if status == ANY else _one(status, STATUSES, MismatchStatus.OPEN.value),
        proposals=_chosen(sent, "proposal", PROPOSALS),
        age=_number(sent.get("age"), AGES),
        alike=_number(sent.get("alike"), LIKENESSES),
        decided_by=_names(sent, "by"),
        marks=_chosen(sent, "mark", tuple(MARKS)),
        assigned=_names(sent, "assigned"),
        due=_one(str(sent.get("due", "")), tuple(DUE_WORDS), ""),
        text=text.strip() if isinstance(text, str) else unseal(str(sent.get("q", ""))),
        sort=_one(str(sent.get("sort", "")), sorts, "last_seen"),
        descending=sent.get("desc") != "0",
        offset=max(0, _whole(sent.get("offset"))),
        size=_number(sent.get("size"), SIZES) or LIMIT,
    )


def _chosen(sent: ImmutableMultiDict[str, Any], name: str, known: Collection[str]) -> tuple[str, ...]:
    asked = set(map(str, sent.getlist(name)))
    return tuple(one for one in known if one in asked)


def _names(sent: ImmutableMultiDict[str, Any], name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(one)[:255] for one in sent.getlist(name) if one))


def _one(asked: str, known: Collection[str], usual: str) -> str:
    return asked if asked in known else usual


def _number(asked: Any, known: Collection[int]) -> int:
    number = _whole(asked)
    return number if number in known else 0


def _whole(asked: Any) -> int:
    text = str(asked or "")
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 10 else 0


def meant(form: FormData, filters: Filters, access: Access) -> MismatchFilter | None:
    """Give what a form of the list means: all that is filtered, of that what is proposed, or what is ticked; None when nothing is."""
    if form.get("scope") in {"all", "proposed"}:
        every = filters.for_ledger(access, dt.datetime.now(dt.UTC))
        if form.get("scope") == "all":
            return every
        least = max(filters.alike, _number(form.get("least"), LIKENESSES))
        return replace(every, proposed=True, least_score=least or None)
    ticked = [one for value in form.getlist("tick") for one in str(value).split(",")]
    ids = [int(one) for one in ticked if one.isascii() and one.isdecimal() and len(one) <= 18]
    return MismatchFilter(readable=access.environments(), ids=ids) if ids else None


class Nothing(StrEnum):
    """Why a list is empty."""

    NO_ENVIRONMENT = "no environment"
    NEVER_COMPARED = "never compared"
    ALL_MATCHES = "all matches"
    NONE_OPEN = "none open"
    FILTERED = "filtered"


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a filter: how many there are, None where that is not counted, and whether it is asked for."""

    value: str
    text: str
    number: int | None
    chosen: bool


@dataclass(frozen=True, slots=True)
class Facet:
    """A filter with its values; of ``several`` one may ask for more than one."""

    name: str
    title: str
    choices: tuple[Choice, ...]
    several: bool = True


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the list."""

    rows: list[Row]
    total: int
    facets: list[Facet]
    nothing: Nothing | None


def listing(access: Access, texts: Texts, filters: Filters) -> Listing:
    """Find one page of the mismatches that the user may read."""
    ledger, readable = the_ledger(), access.environments()
    chosen = filters.for_ledger(access, dt.datetime.now(dt.UTC))
    page = mismatch_page(
        ledger, chosen, sort=filters.sort, descending=filters.descending, offset=filters.offset, limit=filters.size
    )
    counts = mismatch_counts(ledger, chosen) | decision_counts(ledger, chosen)
    titles = {name: access.coupling(name).title for name in readable}
    nothing = None if page.total else _why_nothing(ledger, filters, readable, counts)
    facets = _facets(filters, counts, titles, texts, me=access.name)
    return Listing(Reader(access, texts).rows(page.rows), page.total, facets, nothing)


def _why_nothing(
    ledger: Ledger, filters: Filters, readable: list[str], counts: Mapping[str, Mapping[str, int]]
) -> Nothing:
    if not readable:
        return Nothing.NO_ENVIRONMENT
    if filters.narrowed or filters.status not in {"", MismatchStatus.OPEN}:
        return Nothing.FILTERED
    if sum(counts["status"].values()):
        return Nothing.NONE_OPEN
    compared = any(run.counts for name in readable for run in latest_runs(ledger, name, limit=5))
    return Nothing.ALL_MATCHES if compared else Nothing.NEVER_COMPARED


def _facets(
    filters: Filters, counts: Mapping[str, Mapping[str, int]], titles: Mapping[str, str], texts: Texts, *, me: str
) -> list[Facet]:
    def several(name: str, values: Mapping[str, str], asked: tuple[str, ...]) -> tuple[Choice, ...]:
        found = counts[name]
        return tuple(
            Choice(value, text, found.get(value, 0), value in asked)
            for value, text in values.items()
            if value in asked or found.get(value)
        )

    statuses = {"": say("All")} | {name: words.MISMATCH_STATUSES[name].text for name in STATUSES}
    by_status = {**counts["status"], "": sum(counts["status"].values())}
    verdicts = {name: texts(words.word(words.VERDICTS, name).text) for name in VERDICTS}
    proposals = {name: texts(PROPOSED[name]) for name in PROPOSALS}
    of_status = tuple(
        Choice(value or ANY, texts(text), by_status.get(value, 0), value == filters.status)
        for value, text in statuses.items()
    )
    of_age = tuple(Choice(str(days), texts(AGE_WORDS[days]), None, days == filters.age) for days in (0, *AGES))
    of_likeness = tuple(
        Choice(str(least), texts(LIKENESS, n=least) if least else texts("Any"), None, least == filters.alike)
        for least in (0, *LIKENESSES)
    )
    of_due = tuple(Choice(value, texts(text), None, value == filters.due) for value, text in DUE_WORDS.items())
    facets = [
        Facet("status", texts("Status"), of_status, several=False),
        Facet("proposal", texts("Proposed"), several("proposal", proposals, filters.proposals)),
        Facet("verdict", texts("What is the matter"), several("verdict", verdicts, filters.verdicts)),
        Facet("environment", texts("Environment"), several("environment", titles, filters.environments)),
        Facet("assigned", texts("Assigned to"), _of_assignment(filters, counts["assigned_to"], texts, me)),
        Facet("by", texts("Decided by"), several("by", {name: name for name in counts["by"]}, filters.decided_by)),
        Facet(
            "mark",
            texts("Decision"),
            several("mark", {name: texts(text) for name, text in MARK_WORDS.items()}, filters.marks),
        ),
        Facet("due", texts("Due"), of_due, several=False),
        Facet("alike", texts("How alike"), of_likeness, several=False),
        Facet("age", texts("Known for"), of_age, several=False),
    ]
    one_environment = len(titles) == 1
    return [facet for facet in facets if facet.choices and not (facet.name == "environment" and one_environment)]


def _of_assignment(filters: Filters, found: Mapping[str, int], texts: Texts, me: str) -> tuple[Choice, ...]:
    """Give whose mismatches one can ask for: one's own, those of colleagues, and nobody's; nothing while all are nobody's."""
    if not filters.assigned and not any(found):
        return ()
    named = {MINE: (texts("Me"), found.get(me, 0)), NOBODYS: (texts("Nobody"), found.get("", 0))}
    others = {
        name: (name, found.get(name, 0))
        for name in {**found, **dict.fromkeys(filters.assigned)}
        if name not in {"", me, *named}
    }
    return tuple(
        Choice(value, text, number, value in filters.assigned) for value, (text, number) in {**named, **others}.items()
    )
