"""Gives the crash tests one Moodle, one killable worker, and a ledger on either database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from crash.harness import Site, Worker

from moodle_coupling.ledger import schema
from moodle_coupling.ledger.ledger import open_ledger
from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ledger.postgres import Postgres


@pytest.fixture(scope="session")
def worker() -> Iterator[Worker]:
    started = Worker()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def moodle() -> Iterator[SandboxMoodle]:
    with running_moodle() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def postgres_url(postgres: Postgres) -> str:
    url = postgres.new_database()
    schema.upgrade(url)
    return url


@pytest.fixture(scope="session")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('crash') / 'ledger.db'}"
    schema.upgrade(url)
    return url


@pytest.fixture
def new_site(moodle: SandboxMoodle, worker: Worker, tmp_path, sqlite_url: str) -> Iterator[Callable[..., Site]]:
    """Give a maker of sites; ``url`` is another ledger than the SQLite file."""
    opened = []

    def make(*, url: str = sqlite_url, moodle: SandboxMoodle = moodle, **settings) -> Site:
        ledger = open_ledger(url)
        opened.append(ledger)
        return Site(moodle, ledger, url, worker, tmp_path, **settings)

    yield make
    for ledger in opened:
        ledger.close()
