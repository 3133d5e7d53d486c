"""The people: finding one, and everything that ever happened to one."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, HTTPException, Request, Response

from moodle_coupling.contract.verdicts import Tone
from moodle_coupling.errors import CouplingError
from moodle_coupling.ledger import activity
from moodle_coupling.ledger.people import Who
from moodle_coupling.orchestration import names
from moodle_coupling.orchestration.decision_sheet import kind_code
from moodle_coupling.web.base.access import Access, AccessDep, Right
from moodle_coupling.web.base.forms import seal, unseal
from moodle_coupling.web.base.languages import say, texts_for
from moodle_coupling.web.base.ledgers import the_ledger
from moodle_coupling.web.base.notices import Notice
from moodle_coupling.web.base.templating import Addresses, is_htmx, redirect, render
from moodle_coupling.web.environments import starts as starting
from moodle_coupling.web.environments.state import ACTIONS
from moodle_coupling.web.people.history import explain, in_source, is_paused, person
from moodle_coupling.web.people.search import MOST, sealed, search, who_is
from moodle_coupling.web.runs import rows as run_words
from moodle_coupling.web.runs.access import ACTIONS as ACCESS_ACTIONS

router = APIRouter()
PAUSED: Final = say("Nothing was started: {environment} is paused. Resume it first.")
NOBODY: Final = say("Nothing was started: the source of {environment} has no person with this id.")
STARTED: Final = say("A run for this person is asked for; its report appears here as soon as it begins.")
OFF: Final = say("Asked for, but the Dag is switched off in Airflow: the run waits until somebody switches it on.")

OF_PERSONS: Final = {
    "explain": say("looked at the way from the source to Moodle"),
    "provision": say("asked for a run for this person"),
    "protect": say("protected the account"),
    "unprotect": say("took the protection off the account"),
}
"""What people do to one person, in words."""


@router.get("/people")
def people(request: Request, access: AccessDep, q: str = "") -> Response:
    """Show the search, and whom it found; ``q`` is what was typed, sealed."""
    text = unseal(q)
    mine = access.environments()
    return render(
        request,
        "people/search.html",
        text=text,
        found=search(the_ledger(), access, text),
        most=MOST,
        environments=mine,
        titles={name: access.coupling(name).title for name in mine},
        names=any(access.sees_names(name) for name in mine),
        unknown=sealed(text) if text else "",
        explains=[name for name in mine if access.may(Right.RUN, name)],
    )


@router.post("/people")
def find(request: Request, text: Annotated[str, Form(max_length=500)] = "") -> Response:
    """Take what was typed to look for; the answer's address names nobody."""
    return redirect(request, Addresses("", "").url("/people", q=seal(text) or None))


@router.get("/people/{env}/{who}")
def one_person(request: Request, env: str, who: str, access: AccessDep) -> Response:
    """Show everything that ever happened to one person, in every environment that the user may read."""
    access.require(Right.READ, env)
    return _page(request, access, env, who)


@router.post("/people/{env}/{who}/explain")
def explain_one(
    request: Request, env: str, who: str, access: AccessDep, target: Annotated[str, Form()] = ""
) -> Response:
    """Follow the person from the source to the Moodle of an environment, and show the five steps."""
    target = target or env
    access.require(Right.READ, env)
    access.require(Right.RUN, target)
    explained = explain(access.coupling(target), _known(env, who).known_as, the_ledger())
    if explained.trace is not None:
        # Not what was typed: viewers who may not see names read the activities.
        found = explained.trace.found
        activity.note(the_ledger(), by=access.name, environment=target, action="explain", subject=found)
    values: dict[str, Any] = {
        "explained": explained,
        "explained_in": access.coupling(target),
        "details": access.sees_names(target),
    }
    if is_htmx(request):
        return render(request, "people/_explained.html", **values)
    return _page(request, access, env, who, **values)


@router.post("/people/{env}/{who}/provision")
def provision(request: Request, env: str, who: str, access: AccessDep, target: Annotated[str, Form()] = "") -> Response:
    """Start a run of an environment for just this person, and go to where its report will be."""
    target = target or env
    access.require(Right.READ, env)
    access.require(Right.RUN, target)
    meant, coupling, texts = _known(env, who), access.coupling(target), texts_for(request)
    page = Addresses("", "").url(f"/people/{env}/{who}")
    if is_paused(coupling):
        return redirect(request, page, Notice(texts(PAUSED, environment=coupling.title), Tone.WARN))
    try:
        known = in_source(coupling, meant)
    except CouplingError as error:
        return redirect(request, page, Notice(texts.say(error.said), Tone.BAD))
    if not known:
        return redirect(request, page, Notice(texts(NOBODY, environment=coupling.title), Tone.WARN))
    run = starting.start(names.provision_id(target), {"person_ids": [known]}, by=access.name)
    activity.note(
        the_ledger(), by=access.name, environment=target, action="provision", subject=known, detail=run.run_id
    )
    said, tone = (STARTED, Tone.GOOD) if run.is_on else (OFF, Tone.WARN)
    where = Addresses("", "").url("/runs/of", dag_id=run.dag_id, run_id=run.run_id)
    return redirect(request, where, Notice(texts(said), tone))


def _page(request: Request, access: Access, env: str, ref: str, **more: Any) -> Response:
    texts, ledger = texts_for(request), the_ledger()
    return render(
        request,
        "people/one.html",
        env=env,
        ref=ref,
        here=f"/people/{env}/{ref}",
        one=person(ledger, access, texts, env, _meant(env, ref)),
        titles={name: access.coupling(name).title for name in access.environments()},
        runs_in={name for name in access.environments() if access.may(Right.RUN, name)},
        several=len(access.environments()) > 1,
        run_words=run_words,
        access_actions=ACCESS_ACTIONS,
        person_activities=ACTIONS | OF_PERSONS,
        kind_code=kind_code,
        **({"explained": None} | more),
    )


def _meant(env: str, ref: str) -> Who:
    who = who_is(the_ledger(), env, ref)
    if who is None:
        raise HTTPException(404)
    return who


def _known(env: str, ref: str) -> Who:
    """Give who is meant, by an id that the source may have; raises 404 for an account without a person."""
    who = _meant(env, ref)
    if not who.known_as:
        raise HTTPException(404)
    return who
