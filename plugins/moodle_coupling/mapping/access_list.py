"""The part of a mapping file that says where a list of access of its own comes from: a file, a database, Coachview's enrolments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    Field,
    SerializeAsAny,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from moodle_coupling.contract.access import TargetKind
from moodle_coupling.mapping.checks import did_you_mean
from moodle_coupling.mapping.parts import FilledText, Part, refuse
from moodle_coupling.mapping.safeguards import ConnectionId  # noqa: TC001  # pydantic looks it up
from moodle_coupling.mapping.source import FileSource, SourceSettings, SqlSource, coachview_key_problem
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moodle_coupling.mapping.checks import Location

LIST_PERSON: Final = ("person_id", "extern_id", "idnumber")
LIST_TARGETS: Final = ("cohort", "course")
_WINDOW: Final = ("from", "until")
LIST_COLUMNS: Final = (*LIST_PERSON, *LIST_TARGETS, "role", *_WINDOW, "state")
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


def _unknown_columns(key: str, columns: Iterable[str], there: tuple[str, ...]) -> list[tuple[Location, Sentence]]:
    listed = ", ".join(there)
    return [
        (
            (key, name),
            Sentence("mapping.access.list_column", column=name, there=listed, hint=did_you_mean(name, there)),
        )
        for name in columns
        if name not in there
    ]


def _list_problems(columns: dict[str, str]) -> list[tuple[Location, Sentence]]:
    found = _unknown_columns("columns", columns, LIST_COLUMNS)
    if not any(name in columns for name in LIST_TARGETS):
        found.append((("columns",), Sentence("mapping.access.list_without_target")))
    return [*found, *_two_ids(columns)]


def _two_ids(columns: dict[str, str]) -> list[tuple[Location, Sentence]]:
    both = "idnumber" in columns and "extern_id" in columns
    return [(("columns", "idnumber"), Sentence("mapping.access.list_two_ids"))] if both else []


class AccessFile(FileSource):
    """A list of access in a CSV, XLSX or Parquet file, on disk or in object storage."""

    type: Literal["file"] = Field("file", description="A file with one row per person and target.")

    @model_validator(mode="after")
    def _columns_of_a_list(self) -> AccessFile:
        found = _list_problems(self.columns)
        if found:
            refuse(found)
        return self


class AccessSql(SqlSource):
    """A list of access in a database."""

    type: Literal["sql"] = Field(description="A table or query with one row per person and target.")

    @model_validator(mode="after")
    def _columns_of_a_list(self) -> AccessSql:
        found = _list_problems(self.columns)
        found += [
            ((key,), Sentence("mapping.access.list_is_whole"))
            for key in ("changed_column", "changed_query")
            if getattr(self, key)
        ]
        if found:
            refuse(found)
        return self


ENROLMENT_COLUMNS: Final = (*LIST_PERSON, "training", "role", *_WINDOW, "state")
"""What is read of an enrolment in Coachview."""
PART_KEYS: Final = {"code": "elearningCode", "environment": "elearningOmgevingId", "form": "lesvormId"}
"""Keys of a part of a training that were seen on a real one."""
PART_COLUMNS: Final = ("training", *PART_KEYS, *_WINDOW)


class AccessCoachview(SourceSettings, Translated):
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

    def where(self, base: object) -> Sentence:  # noqa: ARG002  # the same question to every kind of source
        """Give the list and the connection."""
        return Sentence("sources.where.enrolments", connection=self.connection)

    @model_validator(mode="after")
    def _columns_of_enrolments(self) -> AccessCoachview:
        found = _unknown_columns("columns", self.columns, ENROLMENT_COLUMNS)
        found += _unknown_columns("part_columns", self.part_columns, PART_COLUMNS)
        found += _two_ids(self.columns)
        if not any(name in self.columns for name in LIST_PERSON):
            found.append((("columns",), Sentence("mapping.access.enrolment_without_person")))
        for key, columns in (("columns", self.columns), ("part_columns", self.part_columns)):
            if "training" not in columns:
                found.append(((key,), Sentence("mapping.access.without_training")))
            found += [
                ((key, name), problem)
                for name, value in columns.items()
                if (problem := coachview_key_problem(value)) is not None
            ]
        if found:
            refuse(found)
        return self


AccessList: TypeAlias = AccessFile | AccessSql | AccessCoachview
ACCESS_KINDS: Final[dict[str, type[AccessList]]] = {"file": AccessFile, "sql": AccessSql, "coachview": AccessCoachview}
"""``access.source.type`` → its settings; where no type is said a file is meant."""


def access_kind_of(value: Any) -> type[AccessList] | None:
    """Give the model that the keys of ``access.source`` are read by; None where its ``type`` is none of ACCESS_KINDS."""
    kind = value.get("type", "file") if isinstance(value, dict) else "file"
    return ACCESS_KINDS.get(kind) if isinstance(kind, str) else None


def _by_its_type(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:  # noqa: ARG001
    if value is None or isinstance(value, SourceSettings):
        return value
    model = access_kind_of(value)
    if model is None:
        said = Sentence(
            "mapping.value.not_one_of", value=f"'{str(value['type'])[:60]}'", choices=", ".join(ACCESS_KINDS), hint=""
        )
        refuse([(("type",), said)])
    return model.model_validate(value)


ListSource: TypeAlias = Annotated[AccessList | None, WrapValidator(_by_its_type), SerializeAsAny()]
"""What ``access.source`` holds."""


def target_kinds(source: AccessList) -> frozenset[TargetKind]:
    """Give what a list gives access to."""
    if isinstance(source, AccessCoachview):
        return frozenset({TargetKind(source.gives)})
    return frozenset(kind for kind in TargetKind if kind.value in source.columns)
