"""The Environments page: a card for each Moodle, and a page that explains how one is set up."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, SecretStr

from moodle_coupling.errors import CouplingError
from moodle_coupling.mapping.safeguards import Safeguards
from moodle_coupling.settings import mappings_folder
from moodle_coupling.web.base import couplings
from moodle_coupling.web.base.access import Access, AccessDep, Right
from moodle_coupling.web.base.couplings import the_ledger
from moodle_coupling.web.base.templating import render
from moodle_coupling.web.base.words import say, texts_for
from moodle_coupling.web.environments import charts
from moodle_coupling.web.environments.charts import AGES, MONTHS, OLDER, trends
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

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from moodle_coupling.hooks.moodle.connection import MoodleSettings
    from moodle_coupling.web.base.couplings import Coupling
    from moodle_coupling.words.sentence import Sentence


# ---- A mapping file as it counts: every key with its value, what it means, and whether the file or a default said so.

DOTS: Final = "••••••••"
YES, NO, OFF, NOTHING = say("yes"), say("no"), say("not watched"), say("not set")
_WORDS: Final = {True: YES, False: NO}


class Origin(StrEnum):
    """Where a value comes from."""

    FILE = "file"
    DEFAULT = "default"
    CONNECTION = "connection"


@dataclass(frozen=True, slots=True)
class Entry:
    """One key: ``value`` as it reads, ``word`` True when it is a word to translate; ``about`` is English to translate."""

    key: str
    value: str
    about: str
    origin: Origin
    word: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """The keys of one part of the mapping file; ``key`` '' for those that stand by themselves."""

    key: str
    about: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Setup:
    """How an environment is set up; ``problem`` says what is wrong with its connection, None when nothing is."""

    sections: tuple[Section, ...]
    connection: tuple[Entry, ...]
    problem: Sentence | None


PERSONAL: Final = {"notify": ("to",), "matching": ("protected_usernames",)}
"""Keys that may name people: shown through the mask."""


def explained(coupling: Coupling, mask: Callable[[str], str] = str) -> Setup:
    """Explain a coupling's mapping and connection; the token and what else is secret show as dots.

    ``mask`` is what usernames and addresses of people go through (:meth:`moodle_coupling.web.base.access.Access.mask`).
    """
    settings, problem = _settings(coupling.connection) if coupling.connection else (None, None)
    mapping = coupling.mapping
    if mapping is None:
        return Setup((), _connection(settings), problem)
    if settings is not None:
        effective = mapping.with_defaults(
            auth=settings.default_auth, lang=settings.default_lang, country=settings.default_country
        )
        added = set(effective.fields) - set(mapping.fields)
        mapping = effective
    else:
        added = set()
    sections = [_masked(section, mask) for section in _sections(mapping, added)]
    return Setup(tuple(sections), _connection(settings), problem)


def _masked(section: Section, mask: Callable[[str], str]) -> Section:
    keys = PERSONAL.get(section.key, ())
    entries = (
        replace(one, value=mask(one.value)) if one.key in keys and not one.word else one for one in section.entries
    )
    return replace(section, entries=tuple(entries))


# ---- the mapping -----------------------------------------------------------------------------------------------------


def _sections(mapping: BaseModel, from_connection: set[Any]) -> Iterator[Section]:
    alone: list[Entry] = []
    parts: list[Section] = []
    for name, field in type(mapping).model_fields.items():
        value, about = getattr(mapping, name), field.description or ""
        if isinstance(value, BaseModel):
            parts.append(Section(name, about, tuple(_entries(value, "", said=name in mapping.model_fields_set))))
        elif isinstance(value, list) and value and isinstance(value[0], BaseModel):
            each = enumerate(value, start=1)
            parts += [Section(f"{name} {n}", about, tuple(_entries(part, "", said=True))) for n, part in each]
        elif isinstance(value, dict) and value and isinstance(next(iter(value.values())), BaseModel):
            parts.append(Section(name, about, tuple(_named(value, from_connection if name == "fields" else set()))))
        else:
            alone.append(_entry(name, value, about, said=name in mapping.model_fields_set))
    yield Section("", "", tuple(alone))
    yield from parts


def _named(values: dict[Any, BaseModel], from_connection: set[Any]) -> Iterator[Entry]:
    for name, value in values.items():
        for entry in _entries(value, f"{name}.", said=True):
            if entry.value == NOTHING or (entry.key.endswith(".unmatched") and not getattr(value, "value_map", None)):
                continue  # of column and value just one is said, and without a map nothing is unmatched
            yield replace(entry, origin=Origin.CONNECTION) if name in from_connection else entry


def _entries(part: BaseModel, prefix: str, *, said: bool) -> Iterator[Entry]:
    for name, field in type(part).model_fields.items():
        value, about = getattr(part, name), field.description or ""
        in_file = said and name in part.model_fields_set
        if isinstance(value, BaseModel):
            parts = (
                f"{each} {_written(part)}" for each, part in value.model_dump().items() if part
            )  # 0: not looked at
            shown = ", ".join(parts)
            yield Entry(prefix + name, shown, about, Origin.FILE if in_file else Origin.DEFAULT)
        else:
            yield _entry(prefix + name, value, about, said=in_file, unwatched=isinstance(part, Safeguards))


def _entry(key: str, value: Any, about: str, *, said: bool, unwatched: bool = False) -> Entry:
    origin = Origin.FILE if said else Origin.DEFAULT
    if value is None and unwatched:
        return Entry(key, OFF, about, origin, word=True)
    word = _WORDS.get(value, "") if isinstance(value, bool) else NOTHING if value in (None, "", [], {}) else ""
    return Entry(key, word or _written(value), about, origin, bool(word))


def _written(value: Any) -> str:
    if isinstance(value, SecretStr):
        return DOTS
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, BaseModel):
        return ", ".join(f"{name} {_written(part)}" for name, part in value.model_dump(exclude_none=True).items())
    if isinstance(value, dict):
        return ", ".join(f"{name} → {_written(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ("; " if value and isinstance(value[0], BaseModel) else ", ").join(_written(part) for part in value)
    return "⇥" if value == "\t" else str(value)


# ---- the connection --------------------------------------------------------------------------------------------------


def _settings(conn_id: str) -> tuple[MoodleSettings | None, Sentence | None]:
    from moodle_coupling.hooks.moodle.hook import MoodleHook

    try:
        return MoodleHook(conn_id).settings, None
    except CouplingError as error:
        return None, error.said


def _connection(settings: MoodleSettings | None) -> tuple[Entry, ...]:
    """Show a connection's settings by the names of its form; the address is shown, the token never."""
    if settings is None:
        return ()
    from moodle_coupling.provider_info import get_provider_info

    fields: Any = get_provider_info()["connection-types"]
    fields = next(one["conn-fields"] for one in fields if one["connection-type"] == "moodle")
    shown = [
        Entry("Moodle URL", settings.base_url, say("Address of the site."), Origin.FILE),
        Entry("Web service token", DOTS, say("Never shown; it stands in the Airflow connection."), Origin.FILE),
    ]
    for name, field in fields.items():
        value = getattr(settings, name)
        secret = field["schema"].get("format") == "password" and value
        default = value == field["schema"].get("default", "")
        entry = _entry(name, DOTS if secret else value, field["description"], said=not default)
        shown.append(entry)
    return tuple(shown)


# ---- The Environments page ----

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
