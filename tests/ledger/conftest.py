"""Gives every ledger test both databases: SQLite and PostgreSQL."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text

from moodle_coupling.ledger import schema
from moodle_coupling.ledger.ledger import Ledger, open_ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ledger.postgres import Postgres

DATABASES = ("sqlite", "postgresql")


class Clock:
    """A clock that goes only when told to."""

    def __init__(self) -> None:
        self.time = dt.datetime(2026, 3, 1, 2, 0, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.time

    def forward(self, **much: float) -> dt.datetime:
        self.time += dt.timedelta(**much)
        return self.time


@pytest.fixture(params=DATABASES)
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Give a maker of addresses of databases with nothing in them."""

    def sqlite() -> str:
        return f"sqlite:///{tmp_path / uuid.uuid4().hex / 'ledger.db'}"

    if request.param == "sqlite":
        return sqlite
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database


@pytest.fixture
def empty_url(new_url: Callable[[], str]) -> str:
    return new_url()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "template.db"
    schema.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres) -> str:
    url = postgres.new_database()
    schema.upgrade(url)
    return url.split("?", maxsplit=1)[0].rsplit("/", maxsplit=1)[1]


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the address of a ledger that is up to date and empty."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        copy = tmp_path / "ledger.db"
        copy.write_bytes(template.read_bytes())
        return f"sqlite:///{copy}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database(template=request.getfixturevalue("postgres_template"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(url: str, clock: Clock) -> Iterator[Ledger]:
    opened = open_ledger(url, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def execute(url: str) -> Callable[[str], list[tuple[object, ...]]]:
    """Give a way to look into the database past the ledger."""

    def run(statement: str) -> list[tuple[object, ...]]:
        engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
        with engine.begin() as connection:
            result = connection.execute(text(statement))
            rows = [tuple(row) for row in result] if result.returns_rows else []
        engine.dispose()
        return rows

    return run
