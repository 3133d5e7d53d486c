"""What a mapping file says of a file that persons, or a list of access, come from."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from pydantic import Field, field_validator, model_validator

from moodle_coupling.mapping.access import AccessList, list_problems
from moodle_coupling.mapping.checks import did_you_mean
from moodle_coupling.mapping.parts import FilledText, refuse
from moodle_coupling.mapping.source import SourceSettings
from moodle_coupling.words.sentence import Sentence

_WRITTEN_TAB: Final = {"tab": "\t", "\\t": "\t"}


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


class AccessFile(FileSource, AccessList):
    """A list of access in a CSV, XLSX or Parquet file, on disk or in object storage."""

    type: Literal["file"] = Field("file", description="A file with one row per person and target.")

    @model_validator(mode="after")
    def _columns_of_a_list(self) -> AccessFile:
        found = list_problems(self.columns)
        if found:
            refuse(found)
        return self


def _user(address: str) -> str:
    """Give what stands before the '@' of an address, '' when nothing does."""
    return address.partition("://")[2].partition("/")[0].rpartition("@")[0]
