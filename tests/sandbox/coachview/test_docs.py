"""docs/sandbox-coachview.md has everything that can be set, broken and controlled."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from moodle_coupling.sandbox.coachview import FaultKind, ServerSettings

PAGE = (Path(__file__).parents[3] / "docs" / "sandbox-coachview.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name", [*(field.name for field in dataclasses.fields(ServerSettings)), *FaultKind], ids=str
)  # fmt: skip
def test_settings_and_faults_are_explained(name):
    assert re.search(rf"^\| (`\w+`, )*`{name}`[, |]", PAGE, re.MULTILINE)


def test_controls_are_explained(client):
    routes = client.control("GET", "nothing").json()["error"]
    paths = set(re.findall(r"/sandbox/([\w/]+)", routes))

    assert len(paths) == 14
    for path in paths:
        assert re.search(rf"^\| .*[` ]{path}`", PAGE, re.MULTILINE), path
