"""The mapping file's model: what one coupling sends to its Moodle, and how."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

ENVIRONMENT: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class IdnumberFrom(StrEnum):
    """Which of the person's ids becomes Moodle's ID number."""

    EXTERN_ID = "extern_id"
    PERSON_ID = "person_id"
    EXTERN_ID_ELSE_PERSON_ID = "extern_id_else_person_id"


class UsernameRecipe(StrEnum):
    """How a username is made."""

    EMAIL = "email"
    FIRST_INFIX_LAST = "first_infix_last"
    INITIALS_INFIX_LAST = "initials_infix_last"
    INITIAL_INFIX_LAST = "initial_infix_last"
    EXTERN_ID = "extern_id"


class Write(StrEnum):
    """When a field is written to Moodle."""

    ALWAYS = "always"
    ON_CREATE = "on_create"
    IF_EMPTY = "if_empty"


class LeaverPolicy(StrEnum):
    """What happens to an account whose person left."""

    IGNORE = "ignore"
    REPORT = "report"
    SUSPEND = "suspend"


class FileSource(_Part):
    """A CSV or XLSX file."""

    type: Literal["file"] = "file"
    path: str = Field(description="File to read; a relative path starts at the mapping file's folder.")
    format: Literal["auto", "csv", "xlsx"] = "auto"
    encoding: str = Field("auto", description="auto: UTF-8 (with or without BOM), else cp1252.")
    delimiter: Literal["auto", ",", ";", "\t", "|"] = "auto"
    sheet: str | None = Field(None, description="Sheet of an XLSX file; the first one by default.")
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Our column name → the file's heading, where the usual Dutch and English headings do not do. A "
        "name that is not one of ours adds a free field under that name.",
    )


class Username(_Part):
    """How usernames are made."""

    recipe: UsernameRecipe = UsernameRecipe.FIRST_INFIX_LAST
    separator: Annotated[
        str, Field(pattern=r"^[._-]?$", description="Between the parts: '-', '.', '_' or nothing.")
    ] = "-"
    transliterate: dict[str, str] = Field(default_factory=dict, description="Applied before Unidecode, e.g. ü: ue.")
    rename: bool = Field(default=False, description="Give an existing account the new username when its parts change.")


class FieldValue(_Part):
    """Where a Moodle field's value comes from and when it is written."""

    column: str | None = Field(None, description="Column of the persons frame.")
    value: str | None = Field(None, description="The same value for everyone.")
    default: str = Field("", description="Used where the column is empty.")
    write: Write = Write.ALWAYS

    @model_validator(mode="after")
    def _one_origin(self) -> FieldValue:
        if (self.column is None) == (self.value is None):
            msg = "say either 'column' or 'value'"
            raise ValueError(msg)
        return self


MoodleField = Literal["auth", "lang", "country", "city", "institution", "department", "timezone", "theme"]


class Condition(_Part):
    """One condition on a column of the persons frame; exactly one of the tests."""

    column: str
    equals: str | None = None
    not_equals: str | None = None
    any_of: list[str] | None = Field(None, description="The value, or one of its '|'-separated parts, is in this list.")
    none_of: list[str] | None = None
    matches: str | None = Field(None, description="Regular expression that the whole value must match.")
    not_empty: bool | None = None


class Scope(_Part):
    """Who belongs in this Moodle: persons for whom every condition holds."""

    include: list[Condition] = Field(default_factory=list)
    inactive: bool = Field(default=False, description="Persons the source calls inactive belong too.")


class Matching(_Part):
    """How persons and accounts are joined beyond the idnumber."""

    link_on: list[Literal["email", "username"]] = Field(
        default_factory=list,
        description="Link without asking an account without idnumber that is found by one of these.",
    )
    shared_email: bool = Field(
        default=False, description="This Moodle allows several accounts with one e-mail address."
    )
    protected_usernames: list[str] = Field(default_factory=list, description="Accounts never written.")
    protected_idnumbers: list[str] = Field(default_factory=list, description="Accounts never written.")


class Leavers(_Part):
    """Accounts whose idnumber belongs to no person (full runs only)."""

    policy: LeaverPolicy = LeaverPolicy.REPORT
    grace_days: Annotated[int, Field(ge=0, le=3650)] = 14


class Limits(_Part):
    """How much may go wrong before a run counts as failed."""

    tolerated_failures: Annotated[float, Field(ge=0, le=1)] = Field(
        0.05, description="Share of the persons to write that may fail before the run is a failure."
    )
    chunk_size: Annotated[int, Field(ge=100, le=100_000)] = Field(5000, description="Persons per mapped load task.")


class Schedule(_Part):
    """Cron expressions, '@hourly' and the like, or null for by hand only; in the time zone given."""

    provision: str | None = None
    reconcile: str | None = None
    timezone: str = "Europe/Amsterdam"


class Mapping(_Part):
    """One coupling: an environment plus what is sent there and how."""

    environment: Annotated[str, Field(pattern=f"^{ENVIRONMENT.pattern}$")] = Field(
        description="Name of the Moodle environment; the mapping file is called <environment>.yaml."
    )
    title: str = Field("", description="Name for people, shown in Airflow.")
    connection: str = Field(description="Airflow connection of type 'moodle'.")
    source: FileSource
    idnumber: IdnumberFrom
    username: Username = Field(default_factory=Username)
    email: list[Literal["email1", "email2", "email3"]] = Field(
        default=["email1", "email2", "email3"], min_length=1, description="The first that is filled in is used."
    )
    infix_before_lastname: bool = Field(default=True, description="Particles go in front of Moodle's last name.")
    fields: dict[MoodleField, FieldValue] = Field(default_factory=dict)
    profile_fields: dict[str, FieldValue] = Field(
        default_factory=dict, description="Profile field shortname in Moodle (exact letter case) → its value."
    )
    write: dict[Literal["firstname", "lastname", "email"], Write] = Field(
        default_factory=dict, description="When the name and e-mail are written; always, unless said here."
    )
    password: Literal["mailed_by_moodle", "none"] = Field(
        "mailed_by_moodle",
        description="New accounts of an auth plugin that keeps passwords in Moodle (manual, email, nologin): Moodle makes "
        "one and mails it, or none is asked for. Other auth plugins (oidc, oauth2, ldap, saml2 …) need none.",
    )
    scope: Scope = Field(default_factory=Scope)
    matching: Matching = Field(default_factory=Matching)
    leavers: Leavers = Field(default_factory=Leavers)
    limits: Limits = Field(default_factory=Limits)
    schedule: Schedule = Field(default_factory=Schedule)

    @field_validator("email")
    @classmethod
    def _no_double(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            msg = "each column once"
            raise ValueError(msg)
        return value
