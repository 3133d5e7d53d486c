"""What opens after something was done on a mismatch: the next one of its list, the list as it is now, or the same one again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from moodle_coupling.contract.verdicts import Tone
from moodle_coupling.web.base.languages import say, texts_for
from moodle_coupling.web.base.notices import Notice, Offer
from moodle_coupling.web.base.templating import Addresses, done, is_htmx, redirect
from moodle_coupling.web.mismatches.pages import list_path, list_values, one_path, one_values, readable
from moodle_coupling.web.mismatches.words import label

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from fastapi import Request, Response

    from moodle_coupling.ledger.decisions import Decision
    from moodle_coupling.ledger.mismatches import Place
    from moodle_coupling.web.base.access import Access
    from moodle_coupling.web.mismatches.listing import Filters
    from moodle_coupling.web.mismatches.rows import Row

ROW: Final = "row"
"""What a form says that stands in a row of the list; others stand on the page of one mismatch."""
_TARGETS: Final = {ROW: "#mismatches"}
LAST: Final = say("That was the last one of this list.")


def onwards(
    request: Request, access: Access, filters: Filters, place: Place, mismatch: int, notice: Notice, *, view: str
) -> Response:
    """Answer once a mismatch is decided: with the list, or with the page of what came after it there (``place``)."""
    if view == ROW:
        return to_list(request, access, filters, notice)
    if place.following is not None:
        return to_one(request, access, filters, place.following, notice, moved=True)
    return to_one(request, access, filters, mismatch, replace(notice, text=f"{notice.text} {texts_for(request)(LAST)}"))


def to_same(
    request: Request, access: Access, filters: Filters, mismatch: int, notice: Notice, *, view: str, moved: bool = False
) -> Response:
    """Answer with what the form stood on: the list, or the page of that mismatch (``moved``: another was shown)."""
    if view == ROW:
        return to_list(request, access, filters, notice)
    return to_one(request, access, filters, mismatch, notice, moved=moved)


def to_list(request: Request, access: Access, filters: Filters, notice: Notice) -> Response:
    """Answer with the list as it is now; where its last page has no row left, with the page before."""
    if not is_htmx(request):
        return redirect(request, list_path(filters, filters.offset), notice)
    values, moved = list_values(request, access, filters), False
    if filters.offset and not values["found"].rows:
        last = max(0, values["found"].total - 1) // filters.size * filters.size
        filters, moved = replace(filters, offset=last), True
        values = list_values(request, access, filters)
    path = list_path(filters, filters.offset)
    return _shown(request, path, notice, "mismatches/_list.html", values, moved=moved)


def to_one(
    request: Request, access: Access, filters: Filters, mismatch: int, notice: Notice, *, moved: bool = False
) -> Response:
    """Answer with the page of a mismatch; ``moved``: it is another one than the browser's address says."""
    path = one_path(filters, mismatch)
    if not is_htmx(request):
        return redirect(request, path, notice)
    values = one_values(request, access, readable(access, mismatch), filters) | {"swapped": True}
    return _shown(request, path, notice, "mismatches/_one.html", values, moved=moved)


def _shown(
    request: Request, path: str, notice: Notice, fragment: str, values: Mapping[str, Any], *, moved: bool
) -> Response:
    answer = done(request, back=path, notice=notice, fragment=fragment, **values)
    if moved:
        answer.headers["HX-Push-Url"] = f"{request.scope.get('root_path', '')}{path}"
    return answer


def told(
    request: Request, row: Row, made: Decision, filters: Filters, version: int, *, view: str, applies: bool
) -> Notice:
    """Say what was decided and on whom, by id; with how to take it back, and (``applies``) how to carry it out now.

    ``version`` is the one that the decision brought.
    """
    texts, who = texts_for(request), row.numbered
    target = _TARGETS.get(view, "#one")
    address = Addresses("", "").url(f"/mismatches/{row.id}/withdraw", **filters.query())
    fields = (("version", str(version)), ("view", view))
    offers = [Offer(texts("Undo"), address, fields, target, key="u")]
    if applies:
        offers.append(
            Offer(texts("Apply now …"), "/mismatches/apply/preview", (("scope", "ticked"), ("tick", str(row.id))))
        )
    decision = label(texts, made.kind, made.account_id, row.verdict)
    return Notice(texts("{who}: {decision}.", who=who, decision=decision), Tone.GOOD, tuple(offers))
