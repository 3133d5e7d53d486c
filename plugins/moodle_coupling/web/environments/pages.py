"""The Environments page: a card for each Moodle, and a page that explains how one is set up."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from moodle_coupling.errors import CouplingError
from moodle_coupling.settings import mappings_folder
from moodle_coupling.web.base import couplings
from moodle_coupling.web.base.access import Access, AccessDep, Right
from moodle_coupling.web.base.languages import texts_for
from moodle_coupling.web.base.ledgers import the_ledger
from moodle_coupling.web.base.templating import render
from moodle_coupling.web.environments import charts
from moodle_coupling.web.environments.setup import explained
from moodle_coupling.web.environments.state import (
    HEIGHT,
    WIDTH,
    Done,
    access_of,
    bars,
    figures_of,
    recent,
    states,
    totals,
)
from moodle_coupling.web.environments.trends import AGES, MONTHS, OLDER, trends

if TYPE_CHECKING:
    from collections.abc import Collection

router = APIRouter()
FEW: Final = 6
"""So many environments have a card each; more are a table with a line each."""


@router.get("/")
def environments(request: Request, access: AccessDep) -> Response:
    """Show a card for each environment one may read, or what to do when there is none."""
    names = access.environments()
    hidden = len(couplings.by_name()) - len(names)
    values = card_values(access, names)
    return render(request, "environments/list.html", hidden=hidden, folder=mappings_folder(), **values)


@router.get("/cards")
def cards(
    request: Request,
    access: AccessDep,
    known: Annotated[list[str] | None, Query()] = None,
    only: Annotated[str | None, Query()] = None,
    lines: Annotated[str, Query()] = "",
) -> Response:
    """Give the parts of the cards that are not as the browser has them; ``known`` holds the prints of those it has.

    With ``lines`` the whole table that stands in the place of many cards, when it is not as the browser has it.
    """
    names = access.environments()
    if only is not None:
        access.require(Right.READ, only)
        names = [only]
    template = "environments/_lines.html" if lines else "environments/_parts.html"
    answer = render(request, template, known=known or [], **card_values(access, names))
    return answer if bytes(answer.body).strip() else Response(status_code=204)


@router.get("/environments/{env}")
def environment(request: Request, env: str, access: AccessDep) -> Response:
    """Show one environment: its card, its mapping explained, its connection, and what was done lately."""
    return whole_page(request, access, env)


@router.get("/environments/{env}/trends")
def environment_trends(
    request: Request, env: str, access: AccessDep, over: Annotated[str, Query(pattern="^(90|365)$")] = "90"
) -> Response:
    """Show what happened in an environment over months, in charts and as tables."""
    access.require(Right.READ, env)
    texts, now = texts_for(request), dt.datetime.now(dt.UTC)
    return render(
        request,
        "environments/trends.html",
        env=env,
        title=access.coupling(env).title,
        trends=trends(the_ledger(), env, over, now, texts),
        size=(charts.WIDTH, charts.HEIGHT),
        left=charts.LEFT,
        day=lambda at: f"{at.day} {texts(MONTHS[at.month - 1])}",
        ages=[label for _, label in AGES] + [OLDER],
    )


def whole_page(request: Request, access: Access, env: str, **more: Any) -> Response:
    """Give the page of one environment; ``more`` may hold ``notice`` and ``findings`` of a test just made."""
    coupling = access.coupling(env)
    values = card_values(access, [env]) | more
    return render(
        request,
        "environments/one.html",
        one=values["states"][0],
        setup=explained(coupling, access.mask(env)),
        activities=[] if values["problem"] else _recent(request, access, env),
        here=f"/environments/{env}",
        **values,
    )


def _recent(request: Request, access: Access, env: str) -> list[Done]:
    return recent(the_ledger(), env, texts_for(request), details=access.sees_names(env))


def card_values(access: Access, names: Collection[str]) -> dict[str, Any]:
    """Give what the cards' templates take; ``problem`` says why the ledger cannot be asked, None when it can."""
    found = [access.coupling(name) for name in names]
    try:
        shown, problem = states(found, the_ledger()), None
    except CouplingError as error:  # what Airflow knows is shown all the same, and one can still pause
        shown, problem = states(found, None), error.said
    return {
        "states": shown,
        "few": FEW,
        "problem": problem,
        "chart_size": (WIDTH, HEIGHT),
        "bars": bars,
        "totals": totals,
        "figures_of": figures_of,
        "access_of": access_of,
        "moment_of": moment_of,
    }


def moment_of(text: str) -> dt.datetime | None:
    """Read the moment in a pause variable, which people may have written by hand; None when it is no moment."""
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=dt.UTC)
