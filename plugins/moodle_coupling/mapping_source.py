"""The part of a mapping file that says where the persons come from."""

from __future__ import annotations

import re
from typing import Final, Literal

from pydantic import Field, field_validator

from moodle_coupling.mapping_checks import Location, did_you_mean
from moodle_coupling.mapping_parts import FilledText, Part, refuse
from moodle_coupling.people.columns import PERSON_COLUMNS, ROW

_COLUMN_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_WRITTEN_TAB: Final = {"tab": "\t", "\\t": "\t"}


class FileSource(Part):
    """A CSV or XLSX file."""

    type: Literal["file"] = Field("file", description="A file of persons.")
    path: FilledText = Field(description="File to read; a relative path starts at the mapping file's folder.")
    format: Literal["auto", "csv", "xlsx"] = Field("auto", description="auto: by the file's content.")
    encoding: str = Field("auto", description="auto: UTF-8 (with or without BOM), else cp1252.")
    delimiter: Literal["auto", ",", ";", "\t", "|"] = Field(
        "auto",
        description="Between the values of a CSV file; 'tab' may be written for a tab.",
        json_schema_extra={"enum": ["auto", ",", ";", "tab", "\t", "|"]},
    )
    sheet: str | None = Field(None, description="Sheet of an XLSX file; the first one by default.")
    columns: dict[str, FilledText] = Field(
        default_factory=dict,
        description="Our column name → the file's heading, where the usual Dutch and English headings do not do. A "
        "name that is not one of ours adds a free field under that name.",
    )

    @field_validator("path")
    @classmethod
    def _as_written(cls, value: str) -> str:
        if "${" in value or "{{" in value:
            msg = "variables are not filled in here: write the path itself"
            raise ValueError(msg)
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
                msg = f"'{value}' is not an encoding such as utf-8 or cp1252{hint}"
                raise ValueError(msg) from None
        return value

    @field_validator("delimiter", mode="before")
    @classmethod
    def _tab_by_name(cls, value: object) -> object:
        return _WRITTEN_TAB.get(value, value) if isinstance(value, str) else value

    @field_validator("columns")
    @classmethod
    def _column_names(cls, value: dict[str, str]) -> dict[str, str]:
        found: list[tuple[Location, str]] = [
            ((name,), problem) for name, heading in value.items() if (problem := _name_problem(name, heading))
        ]
        if found:
            refuse(found)
        return value


def _name_problem(name: str, heading: str) -> str:
    if name == ROW:
        return f"'{ROW}' is the line number; a file cannot bring it"
    if _COLUMN_NAME.fullmatch(name):
        return ""
    ours = [column.name for column in PERSON_COLUMNS]
    if heading in ours:
        return f"our name stands before the colon, the file's heading behind it: {heading}: {name}"
    return f"'{name}' is no column name: small letters, digits and '_'{did_you_mean(name, ours)}"
