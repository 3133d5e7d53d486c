"""The statements that a SQL source runs. Names in them are plain words (the mapping sees to that); values are bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from moodle_coupling.mapping import SqlSource

_ALIAS: Final = "persons"


def everyone(settings: SqlSource) -> str:
    """Give the statement that reads everyone."""
    return settings.query or f"SELECT * FROM {settings.table}"  # noqa: S608  # a plain name


def changed(settings: SqlSource) -> str:
    """Give the statement that reads who changed since ``:since``."""
    return settings.changed_query or f"SELECT * FROM {_changed_part(settings)}"  # noqa: S608  # plain names


def count_everyone(settings: SqlSource) -> str:
    """Give the statement that counts whom :func:`everyone` reads, '' when there is none."""
    table = f"SELECT count(*) FROM {settings.table}" if settings.table else ""  # noqa: S608  # a plain name
    return settings.count or table


def count_changed(settings: SqlSource) -> str:
    """Give the statement that counts whom :func:`changed` reads, '' when there is none."""
    if settings.changed_query or not settings.table:
        return ""
    return f"SELECT count(*) FROM {_changed_part(settings)}"  # noqa: S608  # plain names


def _changed_part(settings: SqlSource) -> str:
    # Who has no time of change is looked at each time.
    column = f"{_ALIAS}.{settings.changed_column}"
    whole = f"({settings.query})" if settings.query else settings.table
    return f"{whole} {_ALIAS} WHERE {column} >= :since OR {column} IS NULL"
