"""The cohorts and courses a sandbox starts with, with who is in them: JSON, from a file or a control call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from moodle_coupling.errors import SettingError, SourceError

if TYPE_CHECKING:
    from pathlib import Path

_STUDENT = 5


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StartingCohort(_Part):
    """A cohort; ``category``: the name of a course category, '' for the system. ``members`` are usernames."""

    name: str = Field(min_length=1)
    idnumber: str = ""
    description: str = ""
    visible: bool = True
    category: str = ""
    members: tuple[str, ...] = ()


class StartingParticipant(_Part):
    """Somebody enrolled by hand; ``role`` is the role's id, the times are Unix times with 0 for none."""

    username: str
    role: int = _STUDENT
    timestart: int = 0
    timeend: int = 0
    suspended: bool = False


class StartingCourse(_Part):
    """A course; ``manual`` enrolment is on, off, or none: not there."""

    shortname: str = Field(min_length=1)
    fullname: str = ""
    idnumber: str = ""
    category: str = "Category 1"
    visible: bool = True
    manual: Literal["on", "off", "none"] = "on"
    completion: bool = True
    participants: tuple[StartingParticipant, ...] = ()


class StartingAccess(_Part):
    """Everything a site starts with besides its accounts."""

    cohorts: tuple[StartingCohort, ...] = ()
    courses: tuple[StartingCourse, ...] = ()


def read_access(data: Any) -> StartingAccess:
    """Return what the data describes. Raises :class:`SettingError` naming the first thing that is not as it must be."""
    try:
        return StartingAccess.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise SettingError(f"The sandbox's cohorts and courses are not right at {where}: {first['msg']}.") from None


def read_access_file(path: Path) -> StartingAccess:
    """Return the cohorts and courses of a JSON file. Raises :class:`SourceError` naming the file."""
    try:
        return read_access(json.loads(path.read_text(encoding="utf-8-sig")))
    except (OSError, ValueError) as error:
        raise SourceError(f"The file {path} with cohorts and courses cannot be read as JSON: {error}.") from error
    except SettingError as error:
        raise SourceError(f"{path}: {error}") from error
