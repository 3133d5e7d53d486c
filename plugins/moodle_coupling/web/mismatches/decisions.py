"""Deciding: on one mismatch, on many at once, and taking protections off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Form, HTTPException, Request, Response

from moodle_coupling.contract.verdicts import DecisionKind, Tone
from moodle_coupling.ledger.columns import records
from moodle_coupling.ledger.decisions import Choice, decide, is_decidable
from moodle_coupling.ledger.decisions import unprotect as unprotect_account
from moodle_coupling.ledger.errors import AlreadyDecided, MismatchChanged
from moodle_coupling.ledger.mismatches import MismatchFilter, mismatch_page
from moodle_coupling.orchestration.decision_sheet import Taken, record
from moodle_coupling.web.base import words
from moodle_coupling.web.base.access import FORBIDDEN, Access, AccessDep, Right
from moodle_coupling.web.base.forms import FormDep
from moodle_coupling.web.base.languages import say, texts_for
from moodle_coupling.web.base.ledgers import the_ledger
from moodle_coupling.web.base.notices import Notice
from moodle_coupling.web.base.templating import addresses, done, redirect, render
from moodle_coupling.web.mismatches.choices import choices, option_of, shares_addresses, the_only_one
from moodle_coupling.web.mismatches.facts import read_facts
from moodle_coupling.web.mismatches.listing import meant, read_filters
from moodle_coupling.web.mismatches.pages import MismatchId, common, list_path, one_values, readable
from moodle_coupling.web.mismatches.rows import Reader

if TYPE_CHECKING:
    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.matching.decisions import Option
    from moodle_coupling.words.sentence import Texts

ORDER: Final = tuple(DecisionKind)
SAMPLES: Final = 5
"""Mismatches that are shown of the many that a decision is about."""
router = APIRouter()
Note = Annotated[str, Form(max_length=2000)]
PROPOSED: Final = "proposed"
"""Follows the kind of a decision on many that is meant only where it is proposed."""
NOT_OFFERED: Final = say("This cannot be decided (any more) on this mismatch. Nothing was changed; look again.")
NOTHING_MEANT: Final = say("Nothing was ticked, and nothing was changed.")


@dataclass(frozen=True, slots=True)
class Sample:
    """One of many: the mismatch, what the decision does to it, and how alike its sides are (None: not known)."""

    mismatch: int
    option: Option
    score: int | None


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of decision: on which mismatches it is possible without choosing an account, and where it is proposed.

    ``verdicts`` counts the ``possible`` ones; ``samples`` are the first of them, those proposed before others. ``unclear`` is how many of
    the others offer it on more than one account; the rest does not offer it at all.
    """

    kind: DecisionKind
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
    kinds = [kind for kind in (_kind(kind, offers) for kind in ORDER) if kind is not None]
    return Assessment(
        total=len(found),
        over=len(mine) - len(to_decide),
        barred=len(found) - len(mine),
        kinds=tuple(sorted(kinds, key=lambda kind: (-kind.proposed, ORDER.index(kind.kind)))),
        rows=",".join(f"{one['id']}:{one['version']}" for one in to_decide),
    )


def decide_all(
    ledger: Ledger, access: Access, versions: Mapping[int, int], kind: DecisionKind, *, note: str, proposed: bool
) -> Done:
    """Decide the same on mismatches as they were in these versions; with ``proposed`` only where it is what is proposed.

    What changed meanwhile is refused by the ledger and says why; left out is what the user may not decide on, and what
    does not offer the kind, or only with a choice of account.
    """
    chosen = MismatchFilter(readable=access.environments(), ids=list(versions))
    found = records(mismatch_page(ledger, chosen, sort="id", descending=False, limit=None).rows)
    taken: list[Taken] = []
    for one in found:
        number, version = one["id"], versions[one["id"]]
        account, is_meant = _meant(access, one, version, kind, proposed=proposed)
        if is_meant:
            taken.append(Taken(number, version, kind, account, note))
    done = record(ledger, taken, by=access.name)
    return Done(done.decided, done.refused, left_out=len(versions) - len(taken))


def read_versions(text: str) -> dict[int, int]:
    """Read what Assessment.rows holds; what is not so written is left out."""
    pairs = (one.partition(":") for one in text.split(","))
    return {int(number): int(version) for number, _, version in pairs if _is_id(number) and _is_id(version)}


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18


def _meant(
    access: Access, record: Mapping[str, Any], version: int, kind: DecisionKind, *, proposed: bool
) -> tuple[int | None, bool]:
    """Tell whether a decision is meant for a mismatch, and the account to name where it is not the mismatch's own."""
    if not access.may(Right.DECIDE, record["environment"]):
        return None, False
    if record["version"] != version or not is_decidable(record):
        return None, True  # the ledger refuses it, and says who was first
    best, offered = _offered(access, record)
    option = the_only_one(kind, offered)
    if option is None or (proposed and option != best):
        return None, False
    return (None if option.account_id == record["account_id"] else option.account_id), True


def _offered(access: Access, record: Mapping[str, Any]) -> tuple[Option | None, tuple[Option, ...]]:
    shared = shares_addresses(access.coupling(record["environment"]))
    return choices(record, read_facts(record["facts"]), shared_email=shared)


def _kind(
    kind: DecisionKind, offers: Collection[tuple[dict[str, Any], Option | None, tuple[Option, ...]]]
) -> Kind | None:
    clear = [(one, option, best) for one, best, every in offers if (option := the_only_one(kind, every)) is not None]
    if not clear:
        return None
    offering = sum(any(option.kind == kind for option in every) for _, _, every in offers)
    return Kind(
        kind=kind,
        possible=len(clear),
        proposed=sum(best == option for _, option, best in clear),
        verdicts=Counter(one["verdict"] for one, _, _ in clear),
        samples=tuple(
            Sample(one["id"], option, one["score"])
            for one, option, _ in sorted(clear, key=lambda found: found[1] != found[2])[:SAMPLES]
        ),
        unclear=offering - len(clear),
    )


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
    record = readable(access, mismatch, Right.DECIDE)
    if record["version"] == version:
        option = option_of(choice, Reader(access, texts_for(request)).row(record).options)
        if option is None:
            raise HTTPException(409, NOT_OFFERED)
        wish = Choice(option.kind, by=access.name, note=note.strip(), account_id=option.account_id)
    else:
        wish = Choice(DecisionKind.LATER, by=access.name)  # the ledger refuses it, and says who was first
    notice = decided(request, mismatch, version, wish)
    values = one_values(request, access, readable(access, mismatch)) | {"swapped": True}
    fragment = "mismatches/_row.html" if view == "row" else "mismatches/_one.html"
    return done(request, back=f"/mismatches/{mismatch}", notice=notice, fragment=fragment, **values)


def decided(request: Request, mismatch: int, version: int, wish: Choice) -> Notice:
    """Decide, and give what is to be said about it: done, or who was first."""
    texts = texts_for(request)
    try:
        decide(the_ledger(), mismatch, version, wish)
    except (AlreadyDecided, MismatchChanged) as refused:
        return Notice(why_refused(refused, texts), Tone.WARN)
    return Notice(texts("Decided: {decision}.", decision=texts(words.DECISIONS[wish.kind].text)), Tone.GOOD)


@router.post("/mismatches/{mismatch}/unprotect")
def unprotect(
    request: Request, mismatch: MismatchId, access: AccessDep, account: Annotated[int, Form(ge=1, le=2**63 - 1)]
) -> Response:
    """Let an account that a mismatch points at be written again."""
    texts = texts_for(request)
    record = readable(access, mismatch, Right.DECIDE)
    row = Reader(access, texts).row(record)
    if row.facts.account(account) is None and row.account_id != account:
        raise HTTPException(404)
    taken = unprotect_account(the_ledger(), row.environment, account, by=access.name)
    said = say("Account {account} may be written again.") if taken else say("Account {account} was not protected.")
    notice = Notice(texts(said, account=account), Tone.GOOD if taken else Tone.WARN)
    values = one_values(request, access, readable(access, mismatch))
    return done(request, back=f"/mismatches/{mismatch}", notice=notice, fragment="mismatches/_one.html", **values)


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
    values = common(request, access) | {"filters": filters, "back": addresses(request).ours + list_path(filters)}
    if kind:
        return render(request, "mismatches/decided.html", **values, **_decide(request, access, kind, rows, note))
    chosen = meant(form, filters, access)
    if chosen is None:
        notice = Notice(texts_for(request)(NOTHING_MEANT), Tone.WARN)
        return redirect(request, list_path(filters), notice)
    return render(request, "mismatches/bulk.html", found=assess(the_ledger(), access, chosen), **values)


def _decide(request: Request, access: Access, kind: str, rows: str, note: str) -> dict[str, Any]:
    versions, (name, _, only) = read_versions(rows), kind.partition(" ")
    if name not in set(DecisionKind) or not versions:
        raise HTTPException(400)
    texts, chosen = texts_for(request), DecisionKind(name)
    found = decide_all(the_ledger(), access, versions, chosen, note=note.strip(), proposed=only == PROPOSED)
    refused = [(one.mismatch, why_refused(one, texts)) for one in found.refused]
    return {"kind": chosen, "found": found, "refused": refused}


def why_refused(refused: AlreadyDecided | MismatchChanged, texts: Texts) -> str:
    """Say who was first, with what and when, or what became of the mismatch."""
    if isinstance(refused, AlreadyDecided):
        return texts(
            "{name} was first: {decision}, at {time} UTC. Nothing was overwritten; what stands is shown.",
            name=refused.by,
            decision=texts(words.word(words.DECISIONS, refused.kind).text),
            time=f"{refused.at:%Y-%m-%d %H:%M:%S}",
        )
    status = texts(words.word(words.MISMATCH_STATUSES, refused.status).text)
    return texts(
        "It changed since the page was shown: it is '{status}' now. Nothing was decided; look again.", status=status
    )
