"""A sandbox Moodle and a client for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sandbox.moodle.client import Client

from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def site() -> Iterator[SandboxMoodle]:
    with running_moodle() as sandbox:
        yield sandbox


@pytest.fixture
def client(site: SandboxMoodle) -> Iterator[Client]:
    client = Client(site)
    with client.session:
        yield client
