"""What a mapping file says of a database that persons, or a list of access, come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from moodle_coupling.mapping.access import AccessList, list_problems
from moodle_coupling.mapping.expressions import NAME, query_problem
from moodle_coupling.mapping.parts import refuse
from moodle_coupling.mapping.safeguards import ConnectionId  # noqa: TC001  # pydantic looks it up
from moodle_coupling.mapping.source import SourceSettings
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.mapping.checks import Location


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


class AccessSql(SqlSource, AccessList):
    """A list of access in a database."""

    type: Literal["sql"] = Field(description="A table or query with one row per person and target.")

    @model_validator(mode="after")
    def _columns_of_a_list(self) -> AccessSql:
        found = list_problems(self.columns)
        found += [
            ((key,), Sentence("mapping.access.list_is_whole"))
            for key in ("changed_column", "changed_query")
            if getattr(self, key)
        ]
        if found:
            refuse(found)
        return self
