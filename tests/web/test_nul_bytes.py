"""A NUL anywhere in a request is refused as what it is, on the database that cannot hold one: never an error of ours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from web.filling import filled
from web.rights import RIGHTS, Rule

from moodle_coupling.ledger import schema
from moodle_coupling.ledger.ledger import Ledger, open_ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ledger.postgres import Postgres
    from web.conftest import Visitor

NUL = "%00"
PART = re.compile(r"\{\w+\}")


@pytest.fixture(scope="module")
def on_postgres(postgres: Postgres) -> str:
    url = postgres.new_database()
    schema.upgrade(url)
    return url


@pytest.fixture
def ledger(on_postgres: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__LEDGER_URL", on_postgres)
    opened = open_ledger(on_postgres)
    yield opened
    opened.close()


@pytest.fixture
def names(ledger: Ledger) -> dict[str, object]:
    return filled(ledger)


def addresses(route: str, names: dict[str, object]) -> list[str]:
    """The address of a route with a NUL in each part, alone and at the end of what should be there, and in a query."""
    rule = RIGHTS[route]
    path = rule.path or route.partition(" ")[2]
    found = []
    for part in PART.finditer(path):
        there = f"{names.get(part[0][1:-1], 'm1')}{NUL}"
        found += [path[: part.start()] + nul + path[part.end() :] for nul in (NUL, there)]
    query = "&" if "?" in path else "?"
    found += [f"{path}{query}environment=demo{NUL}", f"{path}{query}text={NUL}&page=1{NUL}", f"{path}{query}a{NUL}=1"]
    return [PART.sub(lambda part: str(names.get(part[0][1:-1], "m1")), one) for one in found]


@pytest.mark.parametrize("route", RIGHTS)
def test_in_an_address_it_is_a_page_that_is_not_there(
    route: str, names: dict[str, object], visit: Callable[..., Visitor]
) -> None:
    visitor, method, rule = visit("admin"), route.partition(" ")[0], RIGHTS[route]
    for address in addresses(route, names):
        answer = visitor.send_form(address, **rule.form) if method == "POST" else visitor.request(method, address)
        assert answer.status_code == 404, (address, answer.text)


@pytest.mark.parametrize("route", [route for route in RIGHTS if route.startswith("POST")])
def test_in_a_form_it_is_refused(route: str, names: dict[str, object], visit: Callable[..., Visitor]) -> None:
    rule: Rule = RIGHTS[route]
    path = (rule.path or route.partition(" ")[2]).format(**names)
    fields = rule.form or {"back": "/"}
    for name in fields:
        answer = visit("admin").send_form(path, **(fields | {name: f"{fields[name]}\0"}))
        assert answer.status_code == 400, (name, answer.text)


@pytest.mark.parametrize("address", ["/nowhere%00", "/%00", "/static/%00", "/static/htmx%00.js"])
def test_also_where_there_is_no_page(address: str, visit: Callable[..., Visitor], ledger: Ledger) -> None:
    assert visit("admin").get(address).status_code == 404


def test_who_is_not_logged_in_is_told_that_first(visit: Callable[..., Visitor], ledger: Ledger) -> None:
    assert visit("").get(f"/runs/{NUL}").status_code == 401
