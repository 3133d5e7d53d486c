"""Gives the contract tests a site: the sandbox, or the real one that MOODLE_URL and MOODLE_TOKEN point at."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import requests
from contract.any_site import MoodleSite

from moodle_coupling.sandbox.moodle import running_moodle

if TYPE_CHECKING:
    from collections.abc import Iterator

_STRANGERS = [
    {"username": f"stranger{n}", "firstname": "Iemand", "lastname": "Anders", "email": f"stranger{n}@example.org"}
    for n in range(30)
]


def _tell(config: pytest.Config, text: str) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(text)


@pytest.fixture(scope="module")
def moodle_site(pytestconfig: pytest.Config) -> Iterator[MoodleSite]:
    """A site that holds other accounts too, of whose settings nothing is known."""
    url, token = os.environ.get("MOODLE_URL", ""), os.environ.get("MOODLE_TOKEN", "")
    with requests.Session() as session:
        if url and token:
            site = MoodleSite(url.rstrip("/"), token, session)
            yield site
            left = site.clean_up()
            if left:
                _tell(pytestconfig, f"\nLeft in {url} (the token may not delete them): user ids {left}, {site.prefix}*")
        else:
            with running_moodle(accounts=_STRANGERS) as sandbox:
                site = MoodleSite(sandbox.url, sandbox.token, session)
                yield site
                assert site.clean_up() == []
