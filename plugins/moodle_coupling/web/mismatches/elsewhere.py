"""Linking to an account at which a mismatch does not point: looked for in Moodle, shown for what it does, and decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Form, HTTPException, Request, Response

from moodle_coupling.contract.verdicts import Tone
from moodle_coupling.errors import CouplingError, CouplingPaused
from moodle_coupling.hooks.pause import read_pause
from moodle_coupling.ledger.accounts import links_frame
from moodle_coupling.ledger.decisions import Choice, protections
from moodle_coupling.matching import decisions as deciding
from moodle_coupling.matching.decisions import ACCOUNT_FACTS, Option, account_print
from moodle_coupling.matching.frames import ALWAYS_PROTECTED
from moodle_coupling.web.base.access import Access, AccessDep, Right
from moodle_coupling.web.base.couplings import the_ledger
from moodle_coupling.web.base.forms import Notice
from moodle_coupling.web.base.templating import is_htmx, render
from moodle_coupling.web.base.words import say, texts_for
from moodle_coupling.web.mismatches.decisions import Note, decided
from moodle_coupling.web.mismatches.facts import account_of, shares_addresses
from moodle_coupling.web.mismatches.listing import read_filters
from moodle_coupling.web.mismatches.pages import MismatchId, one_values, readable, to_one
from moodle_coupling.web.mismatches.rows import Line, Reader, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from moodle_coupling.contract.fields import Account
    from moodle_coupling.hooks.moodle.hook import MoodleHook
    from moodle_coupling.web.base.couplings import Coupling

router = APIRouter()
MOST: Final = 20
"""Accounts that are shown of those found."""
PAUSED: Final = say("Not looked for: the environment is paused, and then no request of any kind goes to its Moodle.")
CHANGED: Final = say(
    "Account {account} changed since it was shown, or is gone. Nothing was decided; look for it again."
)
NOT_POSSIBLE: Final = say("That account cannot be this person's. Nothing was decided.")
OWN: Final = say("This mismatch points at it already: choose it above.")
OTHERS: Final = say("It is linked to another person (ID number {idnumber}).")
PROTECTED: Final = say("It is protected, and never written.")


@dataclass(frozen=True, slots=True)
class Found:
    """An account that was found: beside the person (``lines``), and what choosing it does, or why it cannot be chosen (``barred``).

    ``seen`` is what it looks like (account_print), so that what is decided on is what was shown.
    """

    id: int
    lines: list[Line]
    suspended: bool
    option: Option | None
    barred: str
    seen: str


@dataclass(frozen=True, slots=True)
class Search:
    """What was typed, the first of the accounts found of ``total``, or why nobody was looked for."""

    text: str
    found: list[Found]
    total: int = 0
    problem: str = ""


@router.post("/mismatches/{mismatch}/accounts")
def find(
    request: Request, mismatch: MismatchId, access: AccessDep, text: Annotated[str, Form(max_length=200)] = ""
) -> Response:
    """Look in Moodle for the account that somebody means."""
    from moodle_coupling.orchestration.account_search import search_accounts

    record = readable(access, mismatch, Right.DECIDE)
    row, coupling = Reader(access, texts_for(request)).row(record), access.coupling(record["environment"])
    _require_elsewhere(row)
    accounts, problem = _asked(request, coupling, lambda hook: search_accounts(hook, text))
    search = Search(
        text, _Judge(request, access, record, row).shown(accounts[:MOST]), total=len(accounts), problem=problem
    )
    filters = read_filters(request.query_params, access)
    values = one_values(request, access, record, filters) | {"search": search, "here": f"/mismatches/{mismatch}"}
    return render(request, "mismatches/_elsewhere.html" if is_htmx(request) else "mismatches/one.html", **values)


@router.post("/mismatches/{mismatch}/link")
def link(
    request: Request,
    mismatch: MismatchId,
    access: AccessDep,
    version: Annotated[int, Form()],
    account: Annotated[int, Form(ge=1, le=2**63 - 1)],
    seen: Annotated[str, Form(max_length=64)],
    note: Note = "",
) -> Response:
    """Decide that an account is the person's, as it was shown: it is read once more, and must look the same."""
    record, texts = readable(access, mismatch, Right.DECIDE), texts_for(request)
    row = Reader(access, texts).row(record)
    if record["version"] == version:
        _require_elsewhere(row)
    accounts, problem = _asked(
        request, access.coupling(row.environment), lambda hook: hook.accounts_by_field("id", [account]).accounts
    )
    found = _Judge(request, access, record, row).shown(accounts)
    if problem:
        notice = Notice(problem, Tone.WARN)
    elif not found or found[0].seen != seen:
        notice = Notice(texts(CHANGED, account=account), Tone.WARN)
    elif record["version"] == version and found[0].option is None:
        notice = Notice(f"{texts(NOT_POSSIBLE)} {found[0].barred}", Tone.WARN)
    else:
        kind = deciding.elsewhere_kind(_plain(accounts[0]))
        wish = Choice(kind, by=access.name, note=note.strip(), account_id=account, account_print=seen)
        return decided(request, access, record, version, wish)
    return to_one(request, access, read_filters(request.query_params, access), mismatch, notice)


def _require_elsewhere(row: Row) -> None:
    if not row.elsewhere:
        raise HTTPException(409, NOT_POSSIBLE)


def _asked(request: Request, coupling: Coupling, ask: Callable[[MoodleHook], Any]) -> tuple[list[Account], str]:
    """Give the accounts that Moodle answers, or none and why it was not asked or did not answer."""
    from moodle_coupling.hooks.moodle.hook import MoodleHook

    texts = texts_for(request)
    if not coupling.connection or read_pause(coupling.connection) is not None:
        return [], texts(PAUSED)
    try:
        with MoodleHook(coupling.connection) as hook:
            return list(ask(hook)), ""
    except CouplingPaused:
        return [], texts(PAUSED)
    except CouplingError as error:
        return [], texts.say(error.said)


def _facts(account: Account) -> Mapping[str, Any]:
    return {name: account.value(name) for name in ACCOUNT_FACTS}


def _plain(account: Account) -> deciding.Account:
    texts = {name: str(account.value(name) or "") for name in ("username", "idnumber", "email")}
    return deciding.Account(account.id, suspended=bool(account.suspended), **texts)


class _Judge:
    """Says of accounts what choosing them does, or why they cannot be chosen, for one mismatch."""

    def __init__(self, request: Request, access: Access, record: Mapping[str, Any], row: Row) -> None:
        ledger, environment = the_ledger(), record["environment"]
        self._ = texts_for(request)
        self._row, self._coupling = row, access.coupling(environment)
        links = links_frame(ledger, environment)
        self._owners = dict(zip(links["account_id"].tolist(), links["idnumber"].tolist(), strict=True))
        marked = protections(ledger, environment)
        self._protected = dict(zip(marked["account_id"].tolist(), marked["by"].tolist(), strict=True))

    def shown(self, accounts: list[Account]) -> list[Found]:
        """Give accounts as the page shows them."""
        return [self._found(one) for one in accounts]

    def _found(self, account: Account) -> Found:
        values, barred = _facts(account), self._barred(account)
        option = None
        if not barred:
            shared = shares_addresses(self._coupling)
            option = deciding.linked_elsewhere(
                self._row.verdict, self._row.facts.raw, _plain(account), shared_email=shared
            )
            barred = "" if option else self._(NOT_POSSIBLE)
        lines = self._row.lines(accounts=(account_of(account.id, values),))
        return Found(account.id, lines, bool(account.suspended), option, barred, account_print(values))

    def _barred(self, account: Account) -> str:
        if self._row.facts.account(account.id) is not None:
            return self._(OWN)
        owner = self._owners.get(account.id)
        if owner is not None and owner != self._row.idnumber:
            return self._(OTHERS, idnumber=owner)
        if self._is_protected(account):
            return self._(PROTECTED)
        return ""

    def _is_protected(self, account: Account) -> bool:
        import pandas as pd

        from moodle_coupling.matching.view import protected_accounts

        if self._coupling.mapping is None:
            return account.id in self._protected or account.username.casefold() in ALWAYS_PROTECTED
        one = pd.DataFrame({"id": [account.id], "idnumber": [account.idnumber], "username": [account.username]})
        return bool(protected_accounts(one, self._coupling.mapping, None, self._protected))
