"""The list of mismatches: what stands on one page of it, the counts beside the filters, and what to say when it is empty."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from moodle_coupling.ledger.mismatches import mismatch_counts, mismatch_page
from moodle_coupling.ledger.runs import latest_runs
from moodle_coupling.ledger.words import MismatchStatus
from moodle_coupling.web.base import words
from moodle_coupling.web.base.access import Access
from moodle_coupling.web.base.languages import say
from moodle_coupling.web.base.ledgers import the_ledger
from moodle_coupling.web.mismatches.filters import AGES, ANY, LIMIT, PROPOSALS, STATUSES, VERDICTS, Filters
from moodle_coupling.web.mismatches.rows import Reader, Row
from moodle_coupling.web.mismatches.words import PROPOSED
from moodle_coupling.words.catalogue import Texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moodle_coupling.ledger.ledger import Ledger

AGE_WORDS: Final = {
    0: say("Any age"),
    1: say("A day or more"),
    7: say("A week or more"),
    30: say("A month or more"),
    90: say("Three months or more"),
}


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
        ledger, chosen, sort=filters.sort, descending=filters.descending, offset=filters.offset, limit=LIMIT
    )
    counts = mismatch_counts(ledger, chosen)
    titles = {name: access.coupling(name).title for name in readable}
    nothing = None if page.total else _why_nothing(ledger, filters, readable, counts)
    return Listing(Reader(access, texts).rows(page.rows), page.total, _facets(filters, counts, titles, texts), nothing)


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
    filters: Filters, counts: Mapping[str, Mapping[str, int]], titles: Mapping[str, str], texts: Texts
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
    facets = [
        Facet("status", texts("Status"), of_status, several=False),
        Facet("proposal", texts("Proposed"), several("proposal", proposals, filters.proposals)),
        Facet("verdict", texts("What is the matter"), several("verdict", verdicts, filters.verdicts)),
        Facet("environment", texts("Environment"), several("environment", titles, filters.environments)),
        Facet("age", texts("Known for"), of_age, several=False),
    ]
    one_environment = len(titles) == 1
    return [facet for facet in facets if facet.choices and not (facet.name == "environment" and one_environment)]
