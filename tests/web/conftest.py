"""The web app as Airflow serves it: behind the real auth manager and its middleware, with a ledger and a coupling."""

from __future__ import annotations

import secrets
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from demo_coupling import write_mapping
from fastapi import FastAPI
from web.dags_in_airflow import clear

from moodle_coupling.ledger import schema
from moodle_coupling.ledger.ledger import Ledger, open_ledger
from moodle_coupling.orchestration import status
from moodle_coupling.web.app import make_app
from moodle_coupling.web.base import forms
from moodle_coupling.words.sentence import Texts

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # starlette 1.x would like httpx2 in the place of the httpx that Airflow brings
    from starlette.testclient import TestClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
ROLES = ("viewer", "user", "op", "admin")
"""Roles of the simple auth manager; each is the name of its user here. An analyst is a 'user', an engineer an 'op'."""


class Visitor(TestClient):
    """A browser of one user ('' for nobody); paths start below /moodle."""

    def __init__(self, site: FastAPI, role: str, *, language: str = "en") -> None:
        super().__init__(site, base_url="http://127.0.0.1", follow_redirects=False, raise_server_exceptions=False)
        self.role = role
        self.headers["accept-language"] = language
        if role:
            self.cookies.set("_token", token_of(role))

    def request(self, method: str, url: Any, **kwargs: Any) -> Any:
        return super().request(method, f"/moodle{url}", **kwargs)

    def send_form(self, path: str, *, htmx: bool = False, **fields: Any) -> Any:
        """Send a form as a page of ours does."""
        fields[forms.FIELD] = forms.token_for(self.role)
        return self.post(path, data=fields, headers={"HX-Request": "true"} if htmx else {})


def token_of(role: str) -> str:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    return str(get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=role, role=role.upper())))


@pytest.fixture(scope="module", autouse=True)
def _airflow_without_runs(migrated: Path) -> None:
    """Begin without the runs that another folder's tests left in the database of this process."""
    clear()


@pytest.fixture(autouse=True)
def _runs_in_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most tests record a run without one in Airflow: that is under way there. What Airflow has is as it has it."""
    known = status.states_of_runs
    monkeypatch.setattr(status, "states_of_runs", lambda runs: dict.fromkeys(runs, "running") | known(runs))


@pytest.fixture(scope="session")
def app() -> FastAPI:
    return make_app()


@pytest.fixture(scope="session")
def site(app: FastAPI, migrated: Path) -> Iterator[FastAPI]:
    """Airflow's API server without its own pages: our app, the auth manager and the middleware around them."""
    from airflow.api_fastapi.app import init_access_logging, init_auth_manager, purge_cached_app
    from airflow.api_fastapi.core_api.app import init_middlewares

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", ",".join(f"{role}:{role}" for role in ROLES))
        patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", secrets.token_hex(64))
        patch.setenv("AIRFLOW__API__SECRET_KEY", secrets.token_hex(32))
        patch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
        airflow = FastAPI()
        init_auth_manager(airflow)
        airflow.mount("/moodle", app)
        init_middlewares(airflow)
        init_access_logging(airflow)
        yield airflow
        purge_cached_app()


@pytest.fixture(scope="session")
def ledger_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("web-ledger") / "template.db"
    schema.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def mappings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the mapping file of the environment 'demo' (connection 'moodle_demo')."""
    folder = tmp_path / "mappings"
    folder.mkdir()
    write_mapping(folder)
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__MAPPINGS_FOLDER", str(folder))
    return folder


@pytest.fixture
def ledger(tmp_path: Path, ledger_template: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """The ledger that the pages read: empty, and this test's own."""
    path = tmp_path / "ledger.db"
    shutil.copy(ledger_template, path)
    url = f"sqlite:///{path}"
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__LEDGER_URL", url)
    opened = open_ledger(url)
    yield opened
    opened.close()


@pytest.fixture
def visit(site: FastAPI, mappings: Path, ledger: Ledger) -> Callable[..., Visitor]:
    """Give a browser: ``visit("viewer")``, ``visit("")`` for nobody, ``visit("op", language="nl")``."""

    def made(role: str, *, language: str = "en") -> Visitor:
        return Visitor(site, role, language=language)

    return made


@pytest.fixture
def in_dutch() -> Callable[[str], str]:
    return Texts("nl")
