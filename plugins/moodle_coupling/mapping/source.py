"""The part of a mapping file that says where the persons come from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    Field,
    SerializeAsAny,
    TypeAdapter,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)

from moodle_coupling.contract.columns import FINDINGS, PERSON_COLUMNS, ROW
from moodle_coupling.mapping.checks import Location, did_you_mean
from moodle_coupling.mapping.expressions import NAME, query_problem
from moodle_coupling.mapping.parts import FilledText, Part, refuse
from moodle_coupling.mapping.safeguards import ConnectionId  # noqa: TC001  # pydantic looks it up
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingOf

_COLUMN_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_COACHVIEW_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(\.[A-Za-z][A-Za-z0-9]*)*")
_COACHVIEW_FIXED: Final = {
    column: Sentence(f"mapping.source.coachview.{column}") for column in ("person_id", "categories", "inactive")
}
_WRITTEN_TAB: Final = {"tab": "\t", "\\t": "\t"}


class SourceSettings(Part):
    """What every kind of source can be told."""

    name: str = Field("", description="Name for people, where several sources are told apart.")
    columns: dict[str, FilledText] = Field(
        default_factory=dict,
        description="Our column name → the source's heading, where the usual Dutch and English headings do not do. A "
        "name that is not one of ours adds a free field under that name.",
    )

    without: list[FilledText] = Field(
        default_factory=list,
        description="Our columns that this source does not bring, on purpose. A column that is used (infix, initials, inactive, "
        "an e-mail) and that is not there any more, or under a heading that only looks like it, stops the run otherwise.",
    )

    @field_validator("without")
    @classmethod
    def _our_columns(cls, value: list[str]) -> list[str]:
        ours = [column.name for column in PERSON_COLUMNS if column.name != ROW]
        found: list[tuple[Location, Sentence]] = [
            ((place,), Sentence("mapping.column.not_ours", column=name, hint=did_you_mean(name, ours)))
            for place, name in enumerate(value)
            if name not in ours
        ]
        if found:
            refuse(found)
        return value

    @field_validator("columns")
    @classmethod
    def _column_names(cls, value: dict[str, str]) -> dict[str, str]:
        found: list[tuple[Location, Sentence]] = [
            ((name,), problem) for name, heading in value.items() if (problem := _name_problem(name, heading))
        ]
        if found:
            refuse(found)
        return value


class FileSource(SourceSettings):
    """A CSV, XLSX or Parquet file, on disk or in object storage."""

    type: Literal["file"] = Field("file", description="A file of persons.")
    path: FilledText = Field(
        description="File to read; a relative path starts at the mapping file's folder. Or an address such as "
        "s3://connection@bucket/persons.csv. With * or ? in the last part the newest such file is read."
    )
    newest_by: Literal["name", "modified"] = Field(
        "name",
        description="Which of several files is the newest: by its name (numbers by size), or by when it changed.",
    )
    format: Literal["auto", "csv", "xlsx", "parquet"] = Field("auto", description="auto: by the file's content.")
    encoding: str = Field("auto", description="auto: UTF-8 (with or without BOM), else cp1252.")
    delimiter: Literal["auto", ",", ";", "\t", "|"] = Field(
        "auto",
        description="Between the values of a CSV file; 'tab' may be written for a tab.",
        json_schema_extra={"enum": ["auto", ",", ";", "tab", "\t", "|"]},
    )
    sheet: str | None = Field(None, description="Sheet of an XLSX file; the first that is not hidden by default.")
    stale: Literal["warn", "refuse", "allow"] = Field(
        "warn", description="What happens when the file is old: warn and go on, refuse to run, or nothing."
    )
    max_age_hours: int = Field(
        36,
        ge=0,
        le=24 * 366,
        description="Hours after which a file is old: since it was written, and since a run first saw this content. "
        "0: every run wants another content than the last good one.",
    )

    def where(self, base: Path) -> str:
        """Give the absolute path or the address; ``base`` is the folder a relative path starts at."""
        if "://" in self.path:
            return self.path
        return str((base / Path(self.path).expanduser()).resolve())

    @field_validator("path")
    @classmethod
    def _as_written(cls, value: str) -> str:
        if "${" in value or "{{" in value:
            raise ValueError(Sentence("mapping.source.variables_in_path"))
        if ":" in _user(value):
            # The text is not repeated: there is a password in it.
            raise ValueError(Sentence("mapping.source.password_in_path"))
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        if value != "auto":
            import codecs

            try:
                codecs.lookup(value)
            except (LookupError, ValueError):
                hint = did_you_mean(value, ("auto", "utf-8", "utf-16", "cp1252", "latin-1"))
                raise ValueError(Sentence("mapping.source.encoding", encoding=value, hint=hint)) from None
        return value

    @field_validator("delimiter", mode="before")
    @classmethod
    def _tab_by_name(cls, value: object) -> object:
        return _WRITTEN_TAB.get(value, value) if isinstance(value, str) else value


class SqlSource(SourceSettings):
    """A table or a query of a database."""

    type: Literal["sql"] = Field(description="A database.")
    connection: ConnectionId = Field(
        description="Airflow connection of the database, of any type that Airflow has SQL for."
    )
    table: str = Field("", description="Table or view to read, as schema.table; or say 'query'.")
    query: str = Field("", description="SELECT that gives the persons, instead of a table.")
    count: str = Field(
        "", description="Query that gives one number: how many rows there must be. A table is counted by itself."
    )
    changed_column: str = Field(
        "",
        description="Column of the result that says when a row changed (time, date or rising number): with it a changed "
        "run reads only what changed since.",
    )
    changed_query: str = Field(
        "",
        description="SELECT for a changed run, with :since for the greatest changed_column of the last good run; without "
        "it 'query' or 'table' is filtered.",
    )
    overlap_minutes: int = Field(
        10, ge=0, le=1440, description="A changed run looks this much further back, for changes that came in late."
    )
    chunk_size: int = Field(10_000, ge=100, le=100_000, description="Rows that are fetched at a time.")

    def where(self, base: Path) -> Sentence:  # noqa: ARG002  # the same question to every kind of source
        """Give the table or the query's place, and the connection."""
        if not self.table:
            return Sentence("sources.where.query", connection=self.connection)
        return Sentence("sources.where.table", table=self.table, connection=self.connection)

    @field_validator("table", "changed_column")
    @classmethod
    def _plain_name(cls, value: str, info: ValidationInfo) -> str:
        parts = value.split(".") if info.field_name == "table" else [value]
        if value and not all(NAME.fullmatch(part) for part in parts):
            raise ValueError(Sentence("mapping.source.plain_name", name=value))
        return value

    @field_validator("query", "count", "changed_query")
    @classmethod
    def _reads(cls, value: str, info: ValidationInfo) -> str:
        problem = query_problem(value, since=info.field_name == "changed_query") if value.strip() else None
        if problem:
            raise ValueError(problem)
        return value.strip().rstrip(";").rstrip()

    @model_validator(mode="after")
    def _fits_together(self) -> SqlSource:
        found: list[tuple[Location, Sentence]] = []
        if bool(self.table) == bool(self.query):
            found.append((("query",) if self.query else (), Sentence("mapping.source.table_or_query")))
        if self.changed_query and not self.changed_column:
            found.append((("changed_query",), Sentence("mapping.source.changed_query")))
        if found:
            refuse(found)
        return self


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
            ((name,), problem) for name, key in value.items() if (problem := _coachview_problem(name, key))
        ]
        if found:
            refuse(found)
        return value


AnySource: TypeAlias = FileSource | SqlSource | CoachviewSource
"""The settings of one source, of any kind."""

KINDS: Final[MappingOf[str, type[AnySource]]] = {
    "file": FileSource,
    "sql": SqlSource,
    "coachview": CoachviewSource,
}
"""``source.type`` → its settings; where no type is said a file is meant."""


def kind_of(value: Any) -> type[AnySource] | None:
    """Give the model that a source's keys are read by; None where its ``type`` is none of KINDS."""
    kind = value.get("type", "file") if isinstance(value, dict) else "file"
    return KINDS.get(kind) if isinstance(kind, str) else None


def _by_its_type(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:  # noqa: ARG001
    if isinstance(value, SourceSettings):
        return value
    model = kind_of(value)
    if model is None:
        kind = str(value["type"])
        choices, hint = ", ".join(KINDS), did_you_mean(kind, KINDS)
        said = Sentence("mapping.value.not_one_of", value=f"'{kind[:60]}'", choices=choices, hint=hint)
        refuse([(("type",), said)])
    return model.model_validate(value)


_List = Annotated[list[Annotated[AnySource, WrapValidator(_by_its_type)]], Field(min_length=1)]
_SEVERAL: Final[TypeAdapter[list[AnySource]]] = TypeAdapter(_List)


def _one_or_several(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    return _SEVERAL.validate_python(value) if isinstance(value, list) else _by_its_type(value, handler)


Sources = Annotated[AnySource | _List, WrapValidator(_one_or_several), SerializeAsAny()]
"""What ``source:`` holds: one source, or several in order of authority."""


def _user(address: str) -> str:
    """Give what stands before the '@' of an address, '' when nothing does."""
    return address.partition("://")[2].partition("/")[0].rpartition("@")[0]


def _coachview_problem(name: str, key: str) -> Sentence | None:
    if name in _COACHVIEW_FIXED:
        return _COACHVIEW_FIXED[name]
    return coachview_key_problem(key)


def coachview_key_problem(key: str) -> Sentence | None:
    """Say why this is no key on a row of Coachview's, None when it may be one."""
    return None if _COACHVIEW_KEY.fullmatch(key) else Sentence("mapping.source.coachview.no_key", key=key)


def _name_problem(name: str, heading: str) -> Sentence | None:
    if name == ROW:
        return Sentence("mapping.column.row", column=ROW)
    if name in FINDINGS:
        return Sentence("mapping.column.finding", column=name)
    if _COLUMN_NAME.fullmatch(name):
        return None
    ours = [column.name for column in PERSON_COLUMNS]
    if heading in ours:
        return Sentence("mapping.column.the_other_way", heading=heading, column=name)
    return Sentence("mapping.column.no_name", column=name, hint=did_you_mean(name, ours))
