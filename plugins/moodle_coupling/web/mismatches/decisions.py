"""Deciding: on one mismatch, on many at once, and taking protections off."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Form, HTTPException, Request, Response

from moodle_coupling.contract.verdicts import NAMES, DecisionKind, Tone
from moodle_coupling.ledger.activity import assign
from moodle_coupling.ledger.cells import records
from moodle_coupling.ledger.decisions import Choice, decide, is_decidable, withdraw
from moodle_coupling.ledger.decisions import unprotect as unprotect_account
from moodle_coupling.ledger.errors import AlreadyDecided, MismatchChanged
from moodle_coupling.ledger.mismatches import MismatchFilter, mismatch_page
from moodle_coupling.orchestration.decision_sheet import Taken, kind_code, record
from moodle_coupling.web.base import words
from moodle_coupling.web.base.access import FORBIDDEN, Access, AccessDep, Right
from moodle_coupling.web.base.couplings import the_ledger
from moodle_coupling.web.base.forms import FormDep, Notice
from moodle_coupling.web.base.templating import addresses, redirect, render
from moodle_coupling.web.base.words import say, texts_for
from moodle_coupling.web.mismatches.facts import choices, option_of, read_facts, shares_addresses, the_only_one
from moodle_coupling.web.mismatches.listing import meant, read_filters
from moodle_coupling.web.mismatches.pages import (
    MismatchId,
    common,
    list_path,
    onwards,
    place_of,
    readable,
    to_one,
    to_same,
    told,
)
from moodle_coupling.web.mismatches.rows import RUNS_DO, Reader

if TYPE_CHECKING:
    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.matching.decisions import Option
    from moodle_coupling.words.sentence import Texts


ORDER: Final = tuple(NAMES)
SAMPLES: Final = 5
"""Mismatches that are shown of the many that a decision is about."""
# ---- Giving mismatches to a colleague, or to oneself, by a day: one, or many at once ----

router = APIRouter()
Note = Annotated[str, Form(max_length=2000)]
PROPOSED: Final = "proposed"
"""Follows the kind of a decision on many that is meant only where it is proposed."""
NOT_OFFERED: Final = say("This cannot be decided (any more) on this mismatch. Nothing was changed; look again.")
TAKEN_BACK: Final = say("{who}: taken back, and open again.")
NOTHING_MEANT: Final = say("Nothing was ticked, and nothing was changed.")


@dataclass(frozen=True, slots=True)
class Sample:
    """One of many: the mismatch, what the decision does to it, and how alike its sides are (None: not known)."""

    mismatch: int
    option: Option
    score: int | None


@dataclass(frozen=True, slots=True)
class Kind:
    """One decision (``name``, of NAMES): on which mismatches it is possible without choosing an account, and where it is proposed.

    ``verdicts`` counts the ``possible`` ones; ``samples`` are the first of them, those proposed before others. ``unclear`` is how many of
    the others offer it on more than one account; the rest does not offer it at all.
    """

    name: str
    possible: int
    proposed: int
    verdicts: Mapping[str, int]
    samples: tuple[Sample, ...]
    unclear: int


@dataclass(frozen=True, slots=True)
class Assessment:
    """What can be decided on ``total`` mismatches; ``over`` are no longer to decide, ``barred`` not by this user.

    ``rows`` has ids and versions of all the others, as a form carries them.
    """

    total: int
    over: int
    barred: int
    kinds: tuple[Kind, ...]
    rows: str


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a decision on many: ids ``decided``, why others were ``refused``, and how many could not be meant."""

    decided: tuple[int, ...]
    refused: tuple[AlreadyDecided | MismatchChanged, ...]
    left_out: int


def assess(ledger: Ledger, access: Access, chosen: MismatchFilter) -> Assessment:
    """Find out what can be decided on all that is chosen."""
    found = records(mismatch_page(ledger, chosen, sort="id", descending=False, limit=None).rows)
    mine = [one for one in found if access.may(Right.DECIDE, one["environment"])]
    to_decide = [one for one in mine if is_decidable(one)]
    offers = [(one, *_offered(access, one)) for one in to_decide]
    kinds = [kind for kind in (_kind(name, offers) for name in ORDER) if kind is not None]
    return Assessment(
        total=len(found),
        over=len(mine) - len(to_decide),
        barred=len(found) - len(mine),
        kinds=tuple(sorted(kinds, key=lambda kind: (-kind.proposed, ORDER.index(kind.name)))),
        rows=as_rows((one["id"], one["version"]) for one in to_decide),
    )


def decide_all(
    ledger: Ledger, access: Access, versions: Mapping[int, int], name: str, *, note: str, proposed: bool
) -> Done:
    """Decide the same (``name``, of NAMES) on mismatches as they were in these versions; with ``proposed`` only where it is what is proposed.

    What changed meanwhile is refused by the ledger and says why; left out is what the user may not decide on, and what
    does not offer the kind, or only with a choice of account.
    """
    chosen = MismatchFilter(readable=access.environments(), ids=list(versions))
    found = records(mismatch_page(ledger, chosen, sort="id", descending=False, limit=None).rows)
    taken: list[Taken] = []
    for one in found:
        number, version = one["id"], versions[one["id"]]
        account, is_meant = _meant(access, one, version, name, proposed=proposed)
        if is_meant:
            taken.append(Taken(number, version, NAMES[name], account, note))
    done = record(ledger, taken, by=access.name)
    return Done(done.decided, done.refused, left_out=len(versions) - len(taken))


def read_versions(text: str) -> dict[int, int]:
    """Read what Assessment.rows holds; what is not so written is left out."""
    pairs = (one.partition(":") for one in text.split(","))
    return {int(number): int(version) for number, _, version in pairs if _is_id(number) and _is_id(version)}


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18


def _meant(
    access: Access, record: Mapping[str, Any], version: int, name: str, *, proposed: bool
) -> tuple[int | None, bool]:
    """Tell whether a decision is meant for a mismatch, and the account to name where it is not the mismatch's own."""
    if not access.may(Right.DECIDE, record["environment"]):
        return None, False
    if record["version"] != version or not is_decidable(record):
        return None, True  # the ledger refuses it, and says who was first
    best, offered = _offered(access, record)
    option = _named(name, record["verdict"], offered)
    if option is None or (proposed and option != best):
        return None, False
    return (None if option.account_id == record["account_id"] else option.account_id), True


def _offered(access: Access, record: Mapping[str, Any]) -> tuple[Option | None, tuple[Option, ...]]:
    shared = shares_addresses(access.coupling(record["environment"]))
    return choices(record, read_facts(record["facts"]), shared_email=shared)


def _kind(name: str, offers: Collection[tuple[dict[str, Any], Option | None, tuple[Option, ...]]]) -> Kind | None:
    mine = [(one, best, every) for one, best, every in offers if _is_named(name, one["verdict"])]
    clear = [
        (one, option, best) for one, best, every in mine if (option := _named(name, one["verdict"], every)) is not None
    ]
    if not clear:
        return None
    offering = sum(any(option.kind == NAMES[name] for option in every) for _, _, every in mine)
    return Kind(
        name=name,
        possible=len(clear),
        proposed=sum(best == option for _, option, best in clear),
        verdicts=Counter(one["verdict"] for one, _, _ in clear),
        samples=tuple(
            Sample(one["id"], option, one["score"])
            for one, option, _ in sorted(clear, key=lambda found: found[1] != found[2])[:SAMPLES]
        ),
        unclear=offering - len(clear),
    )


def _is_named(name: str, verdict: str) -> bool:
    """Tell whether that is what its kind of decision is called on this verdict."""
    return kind_code(NAMES[name], verdict) == f"decision.{name}"


def _named(name: str, verdict: str, offered: Sequence[Option]) -> Option | None:
    return the_only_one(NAMES[name], offered) if _is_named(name, verdict) else None


@router.post("/mismatches/{mismatch}/decide")
def decide_one(
    request: Request,
    mismatch: MismatchId,
    access: AccessDep,
    version: Annotated[int, Form()],
    choice: Annotated[str, Form()],
    note: Note = "",
    view: Annotated[str, Form()] = "page",
) -> Response:
    """Decide on a mismatch as it was in the version that the page showed; who comes second is told, and changes nothing."""
    found = readable(access, mismatch, Right.DECIDE)
    if found["version"] == version:
        option = option_of(choice, Reader(access, texts_for(request)).row(found).options)
        if option is None:
            raise HTTPException(409, NOT_OFFERED)
        wish = Choice(option.kind, by=access.name, note=note.strip(), account_id=option.account_id)
    else:
        wish = Choice(DecisionKind.LATER, by=access.name)  # the ledger refuses it, and says who was first
    return decided(request, access, found, version, wish, view=view)


def decided(
    request: Request, access: Access, found: Mapping[str, Any], version: int, wish: Choice, *, view: str = "page"
) -> Response:
    """Decide on a mismatch, and open what comes next; who comes second is told who was first."""
    texts, mismatch = texts_for(request), found["id"]
    filters = read_filters(request.query_params, access)
    place = place_of(access, filters, mismatch)
    try:
        made = decide(the_ledger(), mismatch, version, wish)
    except (AlreadyDecided, MismatchChanged) as refused:
        notice = Notice(why_refused(refused, texts, found["verdict"]), Tone.WARN)
        return to_same(request, access, filters, mismatch, notice, view=view)
    applies = made.kind in RUNS_DO and access.may(Right.RUN, found["environment"])
    row = Reader(access, texts).row(found)
    notice = told(request, row, made, filters, version + 1, view=view, applies=applies)
    return onwards(request, access, filters, place, mismatch, notice, view=view)


@router.post("/mismatches/{mismatch}/withdraw")
def withdraw_one(
    request: Request,
    mismatch: MismatchId,
    access: AccessDep,
    version: Annotated[int, Form()],
    view: Annotated[str, Form()] = "page",
) -> Response:
    """Take back what was decided on a mismatch, as long as no run has carried it out."""
    found, texts = readable(access, mismatch, Right.DECIDE), texts_for(request)
    filters = read_filters(request.query_params, access)
    done = withdraw(the_ledger(), [(mismatch, version)], by=access.name)
    who = Reader(access, texts).row(found).numbered
    notice = Notice(texts(TAKEN_BACK, who=who))
    for refused in done.refused:
        notice = Notice(why_refused(refused, texts, found["verdict"]), Tone.WARN)
    return to_same(request, access, filters, mismatch, notice, view=view, moved=True)


@router.post("/mismatches/withdraw")
def withdraw_many(request: Request, access: AccessDep, rows: Annotated[str, Form()] = "") -> Response:
    """Take back what was decided on many, as far as it stands as it was decided, and no run has carried it out."""
    if not any(access.may(Right.DECIDE, name) for name in access.environments()):
        raise HTTPException(403, FORBIDDEN[Right.DECIDE])
    versions, texts = read_versions(rows), texts_for(request)
    chosen = MismatchFilter(readable=access.environments(), ids=list(versions))
    found = records(mismatch_page(the_ledger(), chosen, sort="id", descending=False, limit=None).rows)
    mine = [(one["id"], versions[one["id"]]) for one in found if access.may(Right.DECIDE, one["environment"])]
    done = withdraw(the_ledger(), mine, by=access.name)
    said = texts.plural("{n} decision was taken back.", "{n} decisions were taken back.", len(done.decided))
    left = len(versions) - len(done.decided)
    if left:
        said += " " + texts.plural(
            "{n} was not: a run has carried it out, or it changed since.",
            "{n} were not: a run has carried them out, or they changed since.",
            left,
        )
    return redirect(request, "/mismatches", Notice(said, Tone.WARN if left else Tone.GOOD))


@router.post("/mismatches/{mismatch}/unprotect")
def unprotect(
    request: Request, mismatch: MismatchId, access: AccessDep, account: Annotated[int, Form(ge=1, le=2**63 - 1)]
) -> Response:
    """Let an account that a mismatch points at be written again."""
    texts = texts_for(request)
    row = Reader(access, texts).row(readable(access, mismatch, Right.DECIDE))
    if row.is_target or (row.facts.account(account) is None and row.account_id != account):
        raise HTTPException(404)
    taken = unprotect_account(the_ledger(), row.environment, account, by=access.name)
    said = say("Account {account} may be written again.") if taken else say("Account {account} was not protected.")
    notice = Notice(texts(said, account=account), Tone.GOOD if taken else Tone.WARN)
    return to_one(request, access, read_filters(request.query_params, access), mismatch, notice)


@router.post("/mismatches/decide")
def decide_on_many(
    request: Request,
    access: AccessDep,
    form: FormDep,
    kind: Annotated[str, Form()] = "",
    rows: Annotated[str, Form()] = "",
    note: Note = "",
) -> Response:
    """Show what can be decided on all that is ticked or filtered; then, with ``kind`` and ``rows``, decide on those."""
    if not any(access.may(Right.DECIDE, name) for name in access.environments()):
        raise HTTPException(403, FORBIDDEN[Right.DECIDE])
    filters = read_filters(form, access)
    values = common(request, access, filters) | {"back": addresses(request).ours + list_path(filters)}
    if kind:
        return render(request, "mismatches/decided.html", **values, **_decide(request, access, kind, rows, note))
    chosen = meant(form, filters, access)
    if chosen is None:
        notice = Notice(texts_for(request)(NOTHING_MEANT), Tone.WARN)
        return redirect(request, list_path(filters), notice)
    return render(request, "mismatches/bulk.html", found=assess(the_ledger(), access, chosen), **values)


def _decide(request: Request, access: Access, kind: str, rows: str, note: str) -> dict[str, Any]:
    versions, (name, _, only) = read_versions(rows), kind.partition(" ")
    if name not in NAMES or not versions:
        raise HTTPException(400)
    texts = texts_for(request)
    found = decide_all(the_ledger(), access, versions, name, note=note.strip(), proposed=only == PROPOSED)
    refused = [(one.mismatch, why_refused(one, texts)) for one in found.refused]
    return {
        "name": name,
        "kind": NAMES[name],
        "found": found,
        "refused": refused,
        "rows": as_rows((number, versions[number] + 1) for number in found.decided),
    }


def as_rows(versions: Iterable[tuple[int, int]]) -> str:
    """Write ids and versions as a form carries them (read_versions)."""
    return ",".join(f"{number}:{version}" for number, version in versions)


def why_refused(refused: AlreadyDecided | MismatchChanged, texts: Texts, verdict: str = "") -> str:
    """Say who was first, with what (as it is called on that verdict) and when, or what became of the mismatch."""
    if isinstance(refused, AlreadyDecided):
        return texts(
            "{name} was first: {decision}, at {time} UTC. Nothing was overwritten; what stands is shown.",
            name=refused.by,
            decision=texts(kind_code(refused.kind, verdict)),
            time=f"{refused.at:%Y-%m-%d %H:%M:%S}",
        )
    status = texts(words.word(words.MISMATCH_STATUSES, refused.status).text)
    return texts(
        "It changed since the page was shown: it is '{status}' now. Nothing was decided; look again.", status=status
    )


Name = Annotated[str, Form(max_length=255)]
Day = Annotated[str, Form(max_length=10)]
BAD_DAY: Final = say("'{day}' is no day. Write it as 2026-03-31; nothing was changed.")


@router.post("/mismatches/{mismatch}/assign")
def assign_one(request: Request, mismatch: MismatchId, access: AccessDep, to: Name = "", until: Day = "") -> Response:
    """Give a mismatch to somebody."""
    readable(access, mismatch, Right.DECIDE)
    notice = _assigned(access, texts_for(request), [mismatch], to, until)
    return to_one(request, access, read_filters(request.query_params, access), mismatch, notice)


@router.post("/mismatches/assign")
def assign_many(request: Request, access: AccessDep, form: FormDep, to: Name = "", until: Day = "") -> Response:
    """Give all that is ticked or filtered to somebody, where the user may decide on it."""
    if not any(access.may(Right.DECIDE, name) for name in access.environments()):
        raise HTTPException(403, FORBIDDEN[Right.DECIDE])
    texts, filters = texts_for(request), read_filters(form, access)
    chosen = meant(form, filters, access)
    notice = Notice(texts(NOTHING_MEANT), Tone.WARN)
    if chosen is not None:
        notice = _assigned(access, texts, _deciding(access, chosen), to, until)
    offset = read_filters(request.query_params, access).offset
    return redirect(request, list_path(filters, offset), notice)


def _deciding(access: Access, chosen: MismatchFilter) -> list[int]:
    found = records(mismatch_page(the_ledger(), chosen, sort="id", descending=False, limit=None).rows)
    return [one["id"] for one in found if access.may(Right.DECIDE, one["environment"])]


def _assigned(access: Access, texts: Texts, mismatches: list[int], to: str, until: str) -> Notice:
    """Assign, and say how many went to whom."""
    try:
        day = dt.date.fromisoformat(until) if until else None
    except ValueError:
        return Notice(texts(BAD_DAY, day=until), Tone.WARN)
    name = to.strip()
    number = len(assign(the_ledger(), mismatches, name, day, by=access.name))
    if not number:
        return Notice(texts("Nothing was assigned: what is applied, gone or lapsed is nobody's to judge."), Tone.WARN)
    if not name:
        return Notice(
            texts.plural(
                "{n} mismatch is nobody's in particular.", "{n} mismatches are nobody's in particular.", number
            )
        )
    said = texts.plural("{n} mismatch assigned to {name}.", "{n} mismatches assigned to {name}.", number, name=name)
    return Notice(f"{said} {texts('Due {day}.', day=day.isoformat())}" if day else said)
