"""The part of a mapping file that says who gets access to which cohort and course, and when it is taken back."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    BeforeValidator,
    Field,
    field_validator,
    model_validator,
)

from moodle_coupling.contract.columns import TargetKind
from moodle_coupling.mapping.checks import did_you_mean, time_zone_problem
from moodle_coupling.mapping.parts import Condition, FilledText, Part, date_format_problem, refuse
from moodle_coupling.mapping.safeguards import Limit, Watched
from moodle_coupling.mapping.source import SourceKinds, SourceSettings
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import GetJsonSchemaHandler
    from pydantic_core import CoreSchema

    from moodle_coupling.mapping.checks import Location

LIST_PERSON: Final = ("person_id", "extern_id", "idnumber")
LIST_TARGETS: Final = ("cohort", "course")
LIST_WINDOW: Final = ("from", "until")
LIST_COLUMNS: Final = (*LIST_PERSON, *LIST_TARGETS, "role", *LIST_WINDOW, "state")
"""What a list of its own may bring: by these names in ``access.source.columns``."""


class Translated(Part):
    """Names of another system, and what they are called in Moodle."""

    translate: dict[FilledText, str] = Field(
        default_factory=dict,
        description="What a name (a part of the column, an elearningCode) is called in Moodle, whole and without a prefix; '' names "
        "nothing. Letter case counts.",
    )
    unmatched: Literal["keep", "leave_out"] = Field(
        "keep",
        description="What happens to a name that 'translate' does not have: it is a target itself, or is left out.",
    )

    @model_validator(mode="after")
    def _left_out_of_something(self) -> Translated:
        if self.unmatched == "leave_out" and not self.translate:
            raise ValueError(Sentence("mapping.access.unmatched"))
        return self

    def translated(self, name: str, prefix: str = "") -> str:
        """Give what a name is called in Moodle; '' where it names nothing."""
        if name in self.translate:
            return self.translate[name]
        return prefix + name if self.unmatched == "keep" else ""


def unknown_columns(key: str, columns: Iterable[str], there: tuple[str, ...]) -> list[tuple[Location, Sentence]]:
    """Give the columns under ``key`` that a list of this kind does not have."""
    listed = ", ".join(there)
    return [
        (
            (key, name),
            Sentence("mapping.access.list_column", column=name, there=listed, hint=did_you_mean(name, there)),
        )
        for name in columns
        if name not in there
    ]


def list_problems(columns: dict[str, str]) -> list[tuple[Location, Sentence]]:
    """Give what is wrong with the columns of a list with one row per person and target."""
    found = unknown_columns("columns", columns, LIST_COLUMNS)
    if not any(name in columns for name in LIST_TARGETS):
        found.append((("columns",), Sentence("mapping.access.list_without_target")))
    return [*found, *two_ids_problem(columns)]


def two_ids_problem(columns: dict[str, str]) -> list[tuple[Location, Sentence]]:
    """Give that a list names its persons by two ids that mean the same, where it does."""
    both = "idnumber" in columns and "extern_id" in columns
    return [(("columns", "idnumber"), Sentence("mapping.access.list_two_ids"))] if both else []


class AccessList(SourceSettings):
    """What a list of access is asked, whatever kind of source it comes from."""

    @property
    def target_kinds(self) -> frozenset[TargetKind]:
        """What it gives access to."""
        return frozenset(kind for kind in TargetKind if kind.value in self.columns)

    @property
    def of_enrolments(self) -> bool:
        """Whether a row is an enrolment: somebody may have several for one target, and each that gives access gives it."""
        return False

    @property
    def of_full_runs(self) -> bool:
        """Whether a run for what changed goes without it."""
        return False


ACCESS_LISTS: Final = SourceKinds("access")
ListSource: TypeAlias = Annotated[AccessList, ACCESS_LISTS] | None
"""What ``access.source`` holds."""


STUDENT: Final = "student"


class MissingTargets(StrEnum):
    """What happens to a cohort that is not there."""

    REPORT = "report"
    CREATE = "create"


class TakeBack(StrEnum):
    """What is taken back."""

    GIVEN = "given"
    OWNED = "owned"
    NEVER = "never"


class LeaverAccess(StrEnum):
    """What leavers keep."""

    LOSE = "lose"
    KEEP = "keep"


class ListState(StrEnum):
    """What a state in a list means."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    NONE = "none"


class Targets(Translated):
    """One cohort or course by its name, or a column whose parts name them."""

    name: FilledText | None = Field(
        None, description="The cohort or course, the same for everyone; a text instead of keys says this too."
    )
    column: str | None = Field(
        None, description="Column whose parts name the targets: one of ours, or a free one named in source.columns."
    )
    prefix: str = Field("", description="Put in front of each part of the column, such as cv-.")
    separator: FilledText = Field("|", description="Between the parts of the column.")

    @model_validator(mode="after")
    def _one_origin(self) -> Targets:
        if (self.name is None) == (self.column is None):
            raise ValueError(Sentence("mapping.access.name_or_column"))
        unsaid = {"prefix": "", "separator": "|", "translate": {}, "unmatched": "keep"}
        of_columns = [key for key, default in unsaid.items() if getattr(self, key) != default]
        if self.name is not None and of_columns:
            raise ValueError(Sentence("mapping.access.of_columns", key=of_columns[0]))
        return self


def _by_name(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class _TextOrKeys:
    """Lets the JSON Schema take a text where the model has keys."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core_schema)
        kinds = [each for each in schema.pop("anyOf", [schema]) if each.get("type") != "null"]
        return {"anyOf": [{"type": "string", "minLength": 1}, *kinds], "default": None}


NamedTargets: TypeAlias = Annotated[Targets | None, BeforeValidator(_by_name), _TextOrKeys()]


class AccessRule(Part):
    """Access for persons: to one cohort or course, or to those that a column names."""

    cohort: NamedTargets = Field(None, description="ID number of the cohort, or the column that names cohorts.")
    course: NamedTargets = Field(
        None, description="The course, by what 'courses_by' says, or the column that names courses."
    )
    when: list[Condition] = Field(
        default_factory=list, description="Conditions that must all hold; without any, everyone in scope."
    )
    role: FilledText = Field(STUDENT, description="Shortname of the role in a course; enrolment is manual.")
    window: dict[Literal["from", "until"], FilledText] = Field(
        default_factory=dict,
        description="Columns that hold the first and the last day (the whole of it), or a moment where date_format has a time. An "
        "empty cell is no bound.",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> AccessRule:
        if (self.cohort is None) == (self.course is None):
            raise ValueError(Sentence("mapping.access.cohort_or_course"))
        if self.cohort is not None and "role" in self.model_fields_set and self.role != STUDENT:
            raise ValueError(Sentence("mapping.access.role_of_cohort"))
        return self

    @property
    def kind(self) -> TargetKind:
        """Whether it is about cohorts or courses."""
        return TargetKind.COHORT if self.cohort is not None else TargetKind.COURSE

    @property
    def targets(self) -> Targets:
        """The targets."""
        found = self.cohort or self.course
        if found is None:  # the check above has it otherwise
            raise ValueError(Sentence("mapping.access.cohort_or_course"))
        return found


class AccessSafeguards(Part):
    """Limits on a plan of access: passed, the run stops before its first write until a person approves."""

    first_load: bool = Field(default=True, description="The first access ever that is written waits for approval.")
    empty: bool = Field(
        default=True,
        description="Nobody belongs in any cohort or course any more, and the access of more than one would be taken back.",
    )
    take_backs: Watched = Field(
        Limit(count=20, share=0.05),
        description="Access that would be taken back; the share is of what was given so far.",
    )
    per_target: Watched = Field(
        Limit(count=1, share=0.2),
        description="Access to one cohort or course that would be taken back; the share is of those who have it now.",
    )


_STATES: Final = {"active": ListState.ACTIVE, "suspended": ListState.SUSPENDED, "ended": ListState.NONE}


class Access(Part):
    """Who gets access to which cohorts and courses, and when it is taken back."""

    rules: list[AccessRule] = Field(
        default_factory=list, description="Access that follows from a person's columns; each rule for itself."
    )
    source: ListSource = Field(
        None, description="A list of its own, with one row per person and target; read whole by every run."
    )
    states: dict[FilledText, ListState] = Field(
        default_factory=lambda: dict(_STATES),
        description="What the list's state means: active, suspended (the enrolment is suspended) or none (no access). Letter case "
        "does not count; an empty cell is active.",
        json_schema_extra={"default": {name: str(state) for name, state in _STATES.items()}},
    )
    courses_by: Literal["idnumber", "shortname", "number"] = Field(
        "idnumber", description="What rules and lists name courses by; cohorts are named by their ID number."
    )
    roles: dict[FilledText, Annotated[int, Field(ge=1)]] = Field(
        default_factory=lambda: {STUDENT: 5},
        description="Shortname of a role → its number in Moodle (Site administration, Users, Permissions, Define roles: the "
        "number in the address). No function of Moodle's tells it; where a course shows the role, they must agree.",
        json_schema_extra={"default": {STUDENT: 5}},
    )
    missing_targets: MissingTargets = Field(
        MissingTargets.REPORT,
        description="What happens to a cohort that is not there: reported, or created with that ID number and name. Courses are "
        "never created.",
    )
    take_back: TakeBack = Field(
        TakeBack.GIVEN,
        description="What is taken back when somebody no longer belongs: what this coupling gave, in the cohorts of 'owned' from "
        "everyone, or nothing.",
    )
    owned: list[FilledText] = Field(
        default_factory=list,
        description="ID numbers of cohorts that are wholly this coupling's: on full runs everyone who does not belong is taken out.",
    )
    leavers: LeaverAccess = Field(
        LeaverAccess.LOSE,
        description="What becomes of the access of who has left, once the days of leavers.grace_days are over: it is taken back, "
        "or stays.",
    )
    date_format: str = Field("%Y-%m-%d", description="How dates are written, as Python's strptime has it.")
    time_zone: str = Field("Europe/Amsterdam", description="Time zone of the dates, as Region/City: the site's own.")
    safeguards: AccessSafeguards = Field(
        default_factory=AccessSafeguards, description="Limits on a plan of access, beside those on accounts."
    )

    @field_validator("date_format")
    @classmethod
    def _reads_a_date(cls, value: str) -> str:
        problem = date_format_problem(value)
        if problem:
            raise ValueError(problem)
        return value

    @field_validator("time_zone")
    @classmethod
    def _time_zone(cls, value: str) -> str:
        problem = time_zone_problem(value)
        if problem:
            raise ValueError(problem)
        return value

    @field_validator("states")
    @classmethod
    def _one_meaning(cls, value: dict[str, ListState]) -> dict[str, ListState]:
        if len({name.casefold() for name in value}) < len(value):
            raise ValueError(Sentence("mapping.access.states"))
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Access:
        found: list[tuple[Location, Sentence]] = []
        if not self.rules and self.source is None:
            found.append(((), Sentence("mapping.access.says_nothing")))
        if self.take_back is TakeBack.OWNED and not self.owned:
            found.append((("take_back",), Sentence("mapping.access.owned_needed")))
        if self.owned and self.take_back is not TakeBack.OWNED:
            found.append((("owned",), Sentence("mapping.access.owned_unused")))
        if found:
            refuse(found)
        return self

    @property
    def with_time(self) -> bool:
        """Whether dates come with the time of the day."""
        return date_has_time(self.date_format)


def date_has_time(date_format: str) -> bool:
    """Tell whether a date format includes the time of the day."""
    return any(f"%{letter}" in date_format for letter in "HIMSTpXc")
