"""One decision for many mismatches: which kinds are possible on how many, and the decision on exactly those shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.ledger.decisions import Choice, decide_many
from moodle_coupling.ledger.errors import AlreadyDecided, MismatchChanged
from moodle_coupling.ledger.mismatches import MismatchFilter, mismatch_page
from moodle_coupling.web.base.access import Access, Right
from moodle_coupling.web.mismatches.choices import choices, shares_addresses, the_only_one
from moodle_coupling.web.mismatches.facts import read_facts
from moodle_coupling.web.mismatches.rows import is_decidable, records

if TYPE_CHECKING:
    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.matching.decisions import Option

ORDER: Final = tuple(DecisionKind)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of decision: on which mismatches it is possible without choosing an account, and where it is proposed.

    ``verdicts`` counts the ``possible`` ones; ``sample`` is what it does to the first of them. ``unclear`` is how many of
    the others offer it on more than one account; the rest does not offer it at all.
    """

    kind: DecisionKind
    possible: int
    proposed: int
    verdicts: Mapping[str, int]
    sample: Option
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
    by_account: dict[int | None, dict[int, int]] = {}
    for record in found:
        account, is_meant = _meant(access, record, versions[record["id"]], kind, proposed=proposed)
        if is_meant:
            by_account.setdefault(account, {})[record["id"]] = versions[record["id"]]
    done = [
        decide_many(ledger, some.items(), Choice(kind, by=access.name, note=note, account_id=account))
        for account, some in by_account.items()
    ]
    return Done(
        decided=tuple(sorted(number for one in done for number in one.decided)),
        refused=tuple(refused for one in done for refused in one.refused),
        left_out=len(versions) - sum(map(len, by_account.values())),
    )


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
        sample=clear[0][1],
        unclear=offering - len(clear),
    )
