"""docs/sandbox-moodle.md has everything that can be set, broken and controlled."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from moodle_coupling.sandbox.moodle import FaultKind, ProfileField, SiteSettings
from moodle_coupling.sandbox.moodle.access_file import StartingCohort, StartingCourse, StartingParticipant
from moodle_coupling.sandbox.moodle.profile_fields import DATATYPES

PAGE = (Path(__file__).parents[3] / "docs" / "sandbox-moodle.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name", [*(field.name for field in dataclasses.fields(SiteSettings)), *FaultKind, *DATATYPES], ids=str
)
def test_settings_faults_and_types_are_explained(name):
    assert re.search(rf"^\| (`\w+`, )*`{name}`[, |]", PAGE, re.MULTILINE)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(ProfileField)])
def test_what_can_be_said_of_a_profile_field_is_explained(name):
    assert re.search(rf'[`"]{name}["`]', PAGE[PAGE.index("## Profile fields") :])


@pytest.mark.parametrize("part", [StartingCohort, StartingCourse, StartingParticipant])
def test_what_can_be_said_of_cohorts_and_courses_is_explained(part):
    for name, field in part.model_fields.items():
        assert re.search(rf'"{name}":', PAGE[PAGE.index("## Cohorts and courses") :]), name
        assert not field.is_required() or name in ("name", "shortname", "username")


def test_controls_are_explained(client):
    routes = client.session.get(f"{client.site.url}/sandbox/nothing", timeout=10).json()["error"]
    paths = set(re.findall(r"/sandbox/([\w/]+)", routes))

    assert len(paths) == 6
    for path in paths:
        assert re.search(rf"^\| .*[` ]{path}`", PAGE, re.MULTILINE), path
