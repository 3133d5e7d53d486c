"""What the tests of sources share: an SFTP server of their own, and connections to them."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import fsspec
import pytest
from sources.sftp_server import PASSWORD, USER, running_sftp

from moodle_coupling.sandbox.coachview import running_coachview

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from moodle_coupling.sandbox.coachview import SandboxCoachview


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Make an Airflow connection; gives its id."""

    def made(conn_id: str, conn_type: str, **values: object) -> str:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({"conn_type": conn_type} | values))
        return conn_id

    return made


@pytest.fixture(scope="session")
def sftp_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """Give a folder that is served by SFTP, and the port."""
    folder = tmp_path_factory.mktemp("sftp")
    with running_sftp(folder) as port:
        yield folder, port
        _close_clients()


def _close_clients() -> None:
    """Let go of what sshfs keeps for as long as the process lives, before the server ends."""
    from airflow.sdk.io import store

    for alias in [alias for alias in store._STORE_CACHE if alias.startswith("sftp")]:
        system = vars(store._STORE_CACHE.pop(alias)).get("fs")  # not there when it could not be opened
        if system is not None:
            fsspec.asyn.sync(system.loop, system._stack.aclose)
            type(system).clear_instance_cache()


@pytest.fixture
def sftp(sftp_folder: tuple[Path, int], connect: Callable[..., str]) -> Path:
    """Give a folder that is served by SFTP under the connection 'drop', empty."""
    folder, port = sftp_folder
    for path in folder.iterdir():
        path.unlink()
    connect(
        "drop", "sftp", host="127.0.0.1", port=port, login=USER, password=PASSWORD, extra={"no_host_key_check": True}
    )
    return folder


@pytest.fixture
def coachview(connect: Callable[..., str]) -> Iterator[SandboxCoachview]:
    """Give an empty Coachview under the connection 'coachview_demo', whose persons have their id in geboorteplaats."""
    with running_coachview(people=[]) as site:
        extra = {"allow_http": True, "person_id_key": "geboorteplaats", "parallel_requests": 1}
        connect(
            "coachview_demo", "coachview", host=site.url, login=site.client_id, password=site.client_secret, extra=extra
        )
        yield site


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    """Give an object storage in memory, empty."""
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()


@pytest.fixture
def free_port() -> int:
    """Give a port on which nothing listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])
