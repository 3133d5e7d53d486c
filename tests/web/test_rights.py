"""Every route, with every role."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from fastapi.routing import APIRoute
from web.conftest import ROLES
from web.filling import filled
from web.rights import RIGHTS, Rule

from moodle_coupling.web.app import make_app
from moodle_coupling.web.base import forms

CATCH_ALL = "/{path:path}"


def routes() -> list[tuple[str, str]]:
    found = [
        (method, route.path)
        for route in make_app().routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods)
    ]
    return [one for one in found if one[1] != CATCH_ALL]


EVERY = [pytest.param(method, path, id=f"{method} {path}") for method, path in routes()]


def test_each_route_has_a_line_and_each_line_a_route():
    assert {f"{method} {path}" for method, path in routes()} == set(RIGHTS)


@pytest.fixture
def rule(method, path, ledger) -> Rule:
    rule = RIGHTS[f"{method} {path}"]
    return replace(rule, path=(rule.path or path).format(**filled(ledger)))


@pytest.fixture
def contents(ledger, tmp_path, migrated):
    """Give all that stands in the ledger and in Airflow's database, by table."""

    def read() -> dict[str, list]:
        found = {}
        for file in (tmp_path / "ledger.db", migrated / "airflow.db"):
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
                names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
                for name in names:
                    rows = database.execute(f'SELECT * FROM "{name}"')  # noqa: S608 - the database's own name
                    found[f"{file.name} {name}"] = rows.fetchall()
        return found

    return read


def call(visitor, method, rule):
    data = None
    if method not in forms.SAFE:
        data = rule.form | {forms.FIELD: forms.token_for(visitor.role or "nobody")}
    return visitor.request(method, rule.path, data=data)


@pytest.mark.parametrize(("method", "path"), EVERY)
class TestEachRoute:
    def test_nobody_is_told_to_log_in(self, method, path, rule, visit):
        answer = call(visit(""), method, rule)
        assert answer.status_code == 401
        assert "You are not logged in" in answer.text

    @pytest.mark.parametrize("role", ROLES)
    def test_a_role_may_what_it_may(self, method, path, rule, visit, role):
        answer = call(visit(role), method, rule)
        if ROLES.index(role) < ROLES.index(rule.needs):
            assert answer.status_code == 403, answer.text
        else:
            assert answer.status_code not in {401, 403, 422, 500}, answer.text

    def test_it_has_the_headers(self, method, path, rule, visit):
        for role in ("", "admin"):
            headers = call(visit(role), method, rule).headers
            assert headers["content-security-policy"].startswith(
                "default-src 'none'; script-src 'self'; style-src 'self';"
            )
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"

    @pytest.mark.parametrize("role", ROLES)
    def test_reading_writes_nothing(self, method, path, rule, visit, role, contents):
        """Other sites can make a browser read in its user's name: a picture, a link."""
        if method not in forms.SAFE:
            return
        before = contents()
        call(visit(role), method, rule)
        assert [table for table, rows in contents().items() if rows != before[table]] == []

    def test_a_change_without_proof_of_origin_is_refused(self, method, path, rule, visit):
        if method in forms.SAFE:
            assert rule.needs == "viewer", "what changes nothing may be read by all who read; else say why here"
            return
        answer = visit("admin").request(method, rule.path, data=rule.form)
        assert answer.status_code == 403
        assert "nothing was changed" in answer.text


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "path", ["/nothing", "/environments/demo/nothing", "/docs", "/openapi.json", "/a/../b", "/%00"]
)
def test_paths_that_are_not_there_ask_who_is_there_too(visit, method, path):
    assert visit("").request(method, path).status_code == 401
    token = {forms.HEADER: forms.token_for("viewer")}
    assert visit("viewer").request(method, path, headers=token).status_code == 404


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", ""])
def test_a_bad_login_is_no_login(visit, token):
    visitor = visit("")
    visitor.cookies.set("_token", token)
    assert visitor.get("/").status_code == 401
    assert visit("").get("/", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_static_files_are_open_and_nothing_else_is(visit):
    assert visit("").get("/static/app.css").status_code == 200
    assert visit("").get("/static/../templates/base.html").status_code == 401
    assert visit("").get("/static/%2e%2e/app.py").status_code == 404
