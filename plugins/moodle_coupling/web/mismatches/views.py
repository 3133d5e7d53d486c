"""What the routes of mismatches have in common: finding one for a user, and what the templates take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import HTTPException, Path, Request

from moodle_coupling.ledger.decisions import decision_history, protections
from moodle_coupling.ledger.errors import NotInLedger
from moodle_coupling.ledger.mismatches import get_mismatch
from moodle_coupling.web.base.access import MASK, Access, Right
from moodle_coupling.web.base.languages import texts_for
from moodle_coupling.web.base.ledgers import the_ledger
from moodle_coupling.web.base.templating import Addresses, addresses
from moodle_coupling.web.mismatches.filters import LIMIT, Filters
from moodle_coupling.web.mismatches.list import listing
from moodle_coupling.web.mismatches.rows import SHORT, Reader, Row, records
from moodle_coupling.web.mismatches.words import for_templates

if TYPE_CHECKING:
    from moodle_coupling.ledger.ledger import Ledger

MismatchId = Annotated[int, Path(ge=1, le=2**63 - 1)]


def list_path(filters: Filters) -> str:
    """Give the path of the list, from its beginning."""
    return Addresses("", "").url("/mismatches", **filters.query(offset=0))


def readable(access: Access, mismatch: int, right: Right = Right.READ) -> dict[str, Any]:
    """Give a mismatch as the ledger has it; raises 404 when it is not there or not to be read, 403 without the right."""
    try:
        record = dict(get_mismatch(the_ledger(), mismatch))
    except NotInLedger:
        raise HTTPException(404) from None
    access.require(right, record["environment"])
    return record


def list_values(request: Request, access: Access, filters: Filters) -> dict[str, Any]:
    """Give what the list's templates take."""
    texts, url, names = texts_for(request), addresses(request).url, access.environments()
    return common(request, access) | {
        "filters": filters,
        "found": listing(access, texts, filters),
        "limit": LIMIT,
        "page_address": lambda offset: url("/mismatches", **filters.query(offset=offset)),
        "sort_address": lambda sort, descending: url(
            "/mismatches", **filters.query(sort=sort, descending=descending, offset=0)
        ),
        "names_sort": all(access.sees_names(name) for name in names),
    }


def one_values(request: Request, access: Access, record: dict[str, Any]) -> dict[str, Any]:
    """Give what the page of one mismatch takes."""
    ledger = the_ledger()
    row = Reader(access, texts_for(request)).row(record)
    return common(request, access) | {
        "row": row,
        "history": decision_history(ledger, row.id)[::-1],
        "protected": _protected(ledger, access, row),
        "may_decide": access.may(Right.DECIDE, row.environment),
        "mask": MASK,
    }


def common(request: Request, access: Access) -> dict[str, Any]:
    """Give what every template of mismatches takes."""
    names = access.environments()
    return for_templates(texts_for(request)) | {
        "short": SHORT,
        "swapped": False,
        "several": len(names) > 1,
        "deciding": any(access.may(Right.DECIDE, name) for name in names),
        "running": any(access.may(Right.RUN, name) for name in names),
    }


def _protected(ledger: Ledger, access: Access, row: Row) -> list[dict[str, Any]]:
    """Give the protections on the accounts that a mismatch points at."""
    meant = {account.id for account in row.facts.accounts} | ({row.account_id} if row.account_id else set())
    mask = access.mask(row.environment)
    return [
        one | {"note": mask(one["note"])}
        for one in records(protections(ledger, row.environment))
        if one["account_id"] in meant
    ]
