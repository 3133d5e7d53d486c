"""The people: finding one, and everything that ever happened to one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Form, HTTPException, Request, Response

from moodle_coupling.contract.verdicts import Tone
from moodle_coupling.errors import CouplingError
from moodle_coupling.ledger import activity
from moodle_coupling.ledger.cells import records
from moodle_coupling.ledger.people import Who, find_linked, find_people, latest_row, who_of_account, who_of_row
from moodle_coupling.orchestration import names
from moodle_coupling.orchestration.decision_sheet import kind_code
from moodle_coupling.web.base.access import Access, AccessDep, Right
from moodle_coupling.web.base.couplings import the_ledger
from moodle_coupling.web.base.forms import Notice, seal, unseal
from moodle_coupling.web.base.templating import Addresses, is_htmx, redirect, render
from moodle_coupling.web.base.words import say, texts_for
from moodle_coupling.web.environments import state as starting
from moodle_coupling.web.environments.state import ACTIONS
from moodle_coupling.web.people.history import explain, in_source, is_paused, person
from moodle_coupling.web.runs import rows as run_words
from moodle_coupling.web.runs.access import ACTIONS as ACCESS_ACTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moodle_coupling.ledger.ledger import Ledger


# ---- Finding persons, and the references by which pages name them ----

_KINDS: Final = {"o": "outcome", "m": "mismatch"}
_LETTERS: Final = {kind: letter for letter, kind in _KINDS.items()}
_MOST_DIGITS: Final = 18
MOST: Final = 50
"""Persons that are shown; of more one must type more."""
_IDS: Final = ("person_id", "extern_id", "idnumber")


def sealed(typed: str) -> str:
    """Give the reference for an id that somebody typed."""
    return f"x{seal(typed)}"


def who_is(ledger: Ledger, environment: str, ref: str) -> Who | None:
    """Give who is meant; None for a reference to nothing (any more), or to another environment."""
    kind, rest = ref[:1], ref[1:]
    if kind == "x":
        typed = unseal(rest)
        return Who(person_id=typed, idnumber=typed, typed=True) if typed else None
    if not (rest.isascii() and rest.isdecimal() and len(rest) <= _MOST_DIGITS):
        return None
    if kind == "a":
        return who_of_account(ledger, environment, int(rest))
    return who_of_row(ledger, environment, _KINDS[kind], int(rest)) if kind in _KINDS else None


def find_ref(ledger: Ledger, environment: str, who: Who) -> str:
    """Give the reference to a person in an environment, by the latest row about the person; '' when there is none."""
    found = latest_row(ledger, environment, who)
    return "" if found is None else f"{_LETTERS[found[0]]}{found[1]}"


@dataclass(slots=True)
class Found:
    """One person: every name, address and username known, and the reference by environment."""

    who: Who
    names: list[str] = field(default_factory=list)
    emails: list[str] = field(default_factory=list)
    usernames: list[str] = field(default_factory=list)
    refs: dict[str, str] = field(default_factory=dict)

    @property
    def first(self) -> tuple[str, str]:
        """Give an environment and the reference there."""
        return next(iter(self.refs.items()))


def search(ledger: Ledger, access: Access, text: str) -> list[Found]:
    """Find persons in the environments that the user may read.

    By a whole id, username or e-mail address, or by words with which parts of the name begin, in any order and without accents. Who may not see an environment's names finds persons there by a whole id only.
    """
    text = text.strip()
    readable = access.environments()
    if not text or not readable:
        return []
    groups: dict[tuple[str, str], Found] = {}
    for one in _rows(ledger, text, readable):
        sees = access.sees_names(one["environment"])
        if sees or text in {one[name] for name in _IDS} or text == str(one.get("account_id")):
            _add(ledger, groups, one, sees=sees)
    return list(groups.values())[:MOST]


def _rows(ledger: Ledger, text: str, readable: list[str]) -> Iterable[dict[str, Any]]:
    for one in records(find_people(ledger, text, limit=MOST * 4)):
        if one["environment"] in readable:
            yield one
    # Those of whom nothing is written down but their account: nothing ever had to be done for them.
    nothing = {"extern_id": "", "firstname": "", "lastname": "", "email": ""}
    for one in find_linked(ledger, text, readable, limit=MOST):
        yield nothing | one


def _add(ledger: Ledger, groups: dict[tuple[str, str], Found], one: dict[str, Any], *, sees: bool) -> None:
    key = next(((name, one[name]) for name in _IDS if one[name]), ("username", one["username"]))
    who = Who(one["person_id"], one["extern_id"], one["idnumber"], one.get("account_id"))
    found = groups.get(key)
    if found is None:
        if len(groups) >= MOST:
            return
        found = groups[key] = Found(who)
    environment = one["environment"]
    if environment not in found.refs:
        ref = find_ref(ledger, environment, who) or (f"a{who.account_id}" if who.account_id else "")
        if ref:
            found.refs[environment] = ref
    if sees:
        name = f"{one['firstname']} {one['lastname']}".strip()
        for known, value in ((found.names, name), (found.emails, one["email"]), (found.usernames, one["username"])):
            if value and value not in known:
                known.append(value)


# ---- The people ----

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
