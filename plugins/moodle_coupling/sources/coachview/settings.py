"""What a mapping file says of a Coachview that persons, or a list of access, come from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field, field_validator, model_validator

from moodle_coupling.contract.columns import TargetKind
from moodle_coupling.mapping.access import (
    LIST_PERSON,
    LIST_WINDOW,
    AccessList,
    Translated,
    two_ids_problem,
    unknown_columns,
)
from moodle_coupling.mapping.parts import FilledText, refuse
from moodle_coupling.mapping.safeguards import ConnectionId  # noqa: TC001  # pydantic looks it up
from moodle_coupling.mapping.source import SourceSettings
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.mapping.checks import Location

_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(\.[A-Za-z][A-Za-z0-9]*)*")
_FIXED: Final = {
    column: Sentence(f"mapping.source.coachview.{column}") for column in ("person_id", "categories", "inactive")
}


class CoachviewSource(SourceSettings):
    """Persons straight from Coachview."""

    type: Literal["coachview"] = Field(description="Coachview's API.")
    connection: ConnectionId = Field(description="Airflow connection of type coachview.")
    categories: bool = Field(
        default=False,
        description="Read the categories of each person too. Costs a request per person, unless the connection says "
        "otherwise.",
    )
    extern_sources: list[FilledText] = Field(
        default_factory=list,
        description="Only extern ids that come from one of these (Coachview's externSource, letter case aside) count; "
        "a person with another one counts as without extern id. Empty: all count.",
    )

    def where(self, base: Path) -> Sentence:  # noqa: ARG002  # the same question to every kind of source
        """Give the connection."""
        return Sentence("sources.where.coachview", connection=self.connection)

    @field_validator("columns")
    @classmethod
    def _keys_of_a_person(cls, value: dict[str, str]) -> dict[str, str]:
        found: list[tuple[Location, Sentence]] = [
            ((name,), problem) for name, key in value.items() if (problem := _person_key_problem(name, key))
        ]
        if found:
            refuse(found)
        return value


ENROLMENT_COLUMNS: Final = (*LIST_PERSON, "training", "role", *LIST_WINDOW, "state")
"""What is read of an enrolment in Coachview."""
PART_KEYS: Final = {"code": "elearningCode", "environment": "elearningOmgevingId", "form": "lesvormId"}
"""Keys of a part of a training that were seen on a real one."""
PART_COLUMNS: Final = ("training", *PART_KEYS, *LIST_WINDOW)


class AccessCoachview(AccessList, Translated):
    """Who is enrolled in Coachview in a training with an e-learning part of this Moodle."""

    type: Literal["coachview"] = Field(description="Coachview's enrolments (Opleidingsvragen).")
    connection: ConnectionId = Field(description="Airflow connection of type coachview.")
    columns: dict[str, FilledText] = Field(
        description="Our name → the key on a row of Opleidingsvragen, dots lead into objects, or the code of a free field. One that "
        "names the person (person_id, extern_id or idnumber) and 'training' must be there; role, from, until and state may be. "
        "What Coachview calls them is not published: the connection check names the keys it saw.",
    )
    part_columns: dict[str, FilledText] = Field(
        description="Our name → the key on a row of Opleidingsonderdelen. 'training' (the training it is a part of) must be there; "
        "from and until may be; code, environment and form are elearningCode, elearningOmgevingId and lesvormId unless said.",
    )
    elearning_environment: str = Field(
        "",
        description="The elearningOmgevingId of this Moodle in Coachview. Empty: all e-learning is of this Moodle, and a second "
        "environment stops the run.",
    )
    elearning_form: FilledText = Field("Elearning", description="The lesvormId of a part that is e-learning.")
    gives: Literal["course", "cohort"] = Field(
        "course", description="What an elearningCode names: a course (by what 'courses_by' says) or a cohort."
    )

    read: Literal["every_run", "full_runs"] = Field(
        "every_run",
        description="When the enrolments are read: by every run, or by full runs and those for persons by hand only, where reading "
        "them costs too many of the day's requests. A run for what changed then neither gives nor takes back by them.",
    )

    @property
    def part_keys(self) -> dict[str, str]:
        """Our name → the key on a row of Opleidingsonderdelen, those that need not be said among them."""
        return PART_KEYS | self.part_columns

    @property
    def target_kinds(self) -> frozenset[TargetKind]:
        """What an elearningCode names."""
        return frozenset({TargetKind(self.gives)})

    @property
    def of_enrolments(self) -> bool:
        """A training is followed again, and one withdrawn while another goes on."""
        return True

    @property
    def of_full_runs(self) -> bool:
        """Whether a run for what changed goes without it."""
        return self.read == "full_runs"

    def where(self, base: object) -> Sentence:  # noqa: ARG002  # the same question to every kind of source
        """Give the list and the connection."""
        return Sentence("sources.where.enrolments", connection=self.connection)

    @model_validator(mode="after")
    def _columns_of_enrolments(self) -> AccessCoachview:
        found = unknown_columns("columns", self.columns, ENROLMENT_COLUMNS)
        found += unknown_columns("part_columns", self.part_columns, PART_COLUMNS)
        found += two_ids_problem(self.columns)
        if not any(name in self.columns for name in LIST_PERSON):
            found.append((("columns",), Sentence("mapping.access.enrolment_without_person")))
        for key, columns in (("columns", self.columns), ("part_columns", self.part_columns)):
            if "training" not in columns:
                found.append(((key,), Sentence("mapping.access.without_training")))
            found += [
                ((key, name), problem)
                for name, value in columns.items()
                if (problem := _key_problem(value)) is not None
            ]
        if found:
            refuse(found)
        return self


def _person_key_problem(name: str, key: str) -> Sentence | None:
    if name in _FIXED:
        return _FIXED[name]
    return _key_problem(key)


def _key_problem(key: str) -> Sentence | None:
    """Say why this is no key on a row of Coachview's, None when it may be one."""
    return None if _KEY.fullmatch(key) else Sentence("mapping.source.coachview.no_key", key=key)
