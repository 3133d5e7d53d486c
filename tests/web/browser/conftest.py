"""The pages in a browser, served over a ledger in which everything happened; Airflow's auth manager is there, its scheduler is not."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
import uvicorn
from chromium import chromium
from web.conftest import token_of
from web.dags_in_airflow import clear, put
from web.storied import told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fastapi import FastAPI
    from playwright.sync_api import Browser, Page

    from moodle_coupling.ledger.ledger import Ledger


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def address(site: FastAPI) -> Iterator[str]:
    """Where the pages are served."""
    server = uvicorn.Server(uvicorn.Config(site, port=0, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/moodle"
    server.should_exit = True
    thread.join()


@pytest.fixture
def story(ledger: Ledger, mappings: Path, site: FastAPI) -> Iterator[dict[str, str]]:
    """The pages that show a ledger in which everything happened, by name."""
    put(mappings)
    yield told(str(ledger._engine.url))
    clear()


@pytest.fixture
def opened(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """Give a page of a browser in which a role is logged in; paths start below /moodle."""
    contexts = []

    def page_of(role: str, **options: object) -> Page:
        context = browser.new_context(base_url=f"{address}/", **options)  # type: ignore[arg-type]
        contexts.append(context)
        context.add_cookies([{"name": "_token", "value": token_of(role), "url": address}])
        page = context.new_page()
        page.set_default_timeout(60_000)
        return page

    yield page_of
    for context in contexts:
        context.close()
