"""A sandbox Coachview and a client that is logged in, for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sandbox.coachview.client import Client

from moodle_coupling.sandbox.coachview import SandboxCoachview, running_coachview

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def office() -> Iterator[SandboxCoachview]:
    with running_coachview() as sandbox:
        yield sandbox


@pytest.fixture
def client(office: SandboxCoachview) -> Iterator[Client]:
    client = Client(office)
    with client.session:
        client.log_in()
        office.calls.clear()
        yield client
