"""The mapping file's model: what one coupling sends to its Moodle, and how."""

from __future__ import annotations

import re
from pathlib import Path  # noqa: TC003  # pydantic looks annotations up when the model is made
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field, PrivateAttr, field_validator, model_validator

from moodle_coupling.contract.fields import MAPPED_FIELDS, NAME_FIELDS, NEEDS_PASSWORD_NAMES, PROFILE_PREFIX
from moodle_coupling.mapping.access import Access  # noqa: TC001  # pydantic needs it, as above
from moodle_coupling.mapping.checks import Location, problems
from moodle_coupling.mapping.parts import (
    FieldValue,
    FilledText,
    IdnumberFrom,
    Leavers,
    Limits,
    Matching,
    Part,
    ProfileValue,
    Schedule,
    Scope,
    SnapshotSettings,
    Username,
    Write,
    refuse,
    shortname_problem,
)
from moodle_coupling.mapping.safeguards import ConnectionId, Notify, Safeguards
from moodle_coupling.mapping.source import Sources, SourceSettings  # noqa: TC001  # pydantic needs them, as above
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Collection

ENVIRONMENT: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")

if TYPE_CHECKING:
    MoodleField = str
    NameField = str
else:
    MoodleField = Literal[MAPPED_FIELDS]
    NameField = Literal[NAME_FIELDS]

_EmailColumn = Literal["email1", "email2", "email3"]


def _all_emails() -> list[_EmailColumn]:
    return ["email1", "email2", "email3"]


class Mapping(Part):
    """One coupling: an environment plus what is sent there and how."""

    environment: Annotated[str, Field(pattern=f"^{ENVIRONMENT.pattern}$")] = Field(
        description="Name of the Moodle environment: small letters, digits and '_'. The mapping file is called "
        "<environment>.yaml."
    )
    title: str = Field("", max_length=200, description="Name for people, shown in Airflow.")
    connection: ConnectionId = Field(
        description="Airflow connection of type 'moodle'. The address and the token stand there, never here."
    )
    source: Sources = Field(
        description="Where the persons come from; or a list of such, the one with the most authority first."
    )
    idnumber: IdnumberFrom = Field(
        description="Which of the person's ids becomes Moodle's ID number, the key that joins a person and an account."
    )
    username: Username = Field(default_factory=Username, description="How usernames are made.")
    email: list[_EmailColumn] = Field(
        default_factory=_all_emails,
        min_length=1,
        description="The first that is filled in is used.",
        json_schema_extra={"default": ["email1", "email2", "email3"]},
    )
    infix_before_lastname: bool = Field(default=True, description="Particles go in front of Moodle's last name.")
    missing_names: dict[Literal["firstname", "lastname"], FilledText] = Field(
        default_factory=dict,
        description="What stands for a first or last name that a person does not have, such as '-'; only where the other one is "
        "there. Without it such a person is rejected, for Moodle wants both.",
    )
    fields: dict[MoodleField, FieldValue] = Field(
        default_factory=dict, description="Moodle's further fields: where each comes from and when it is written."
    )
    profile_fields: dict[str, ProfileValue] = Field(
        default_factory=dict, description="Profile field shortname in Moodle (exact letter case) → its value."
    )
    write: dict[NameField, Write] = Field(
        default_factory=dict, description="When the name and e-mail are written; always, unless said here."
    )
    password: Literal["mailed_by_moodle", "none"] = Field(
        "mailed_by_moodle",
        description=f"New accounts of an auth plugin that keeps passwords in Moodle ({NEEDS_PASSWORD_NAMES}): Moodle makes "
        "one and mails it, or none is asked for. Other auth plugins (oidc, oauth2, ldap, saml2 …) need none.",
    )
    scope: Scope = Field(default_factory=Scope, description="Who belongs in this Moodle.")
    matching: Matching = Field(
        default_factory=Matching, description="How persons and accounts are joined beyond the ID number."
    )
    leavers: Leavers = Field(
        default_factory=Leavers, description="Accounts whose ID number belongs to no person (full runs only)."
    )
    snapshot: SnapshotSettings = Field(
        default_factory=SnapshotSettings, description="How all accounts are read (full runs only)."
    )
    safeguards: Safeguards = Field(
        default_factory=Safeguards,
        description="Limits on a plan: passed, the run stops before its first write until a person approves. A limit is "
        "`{count: …, share: …}` (more than both), or `off`.",
    )
    limits: Limits = Field(
        default_factory=Limits, description="How much may go wrong before a load stops or a run counts as failed."
    )
    access: Access | None = Field(
        None, description="Who gets access to which cohorts and courses, given and taken back; none when not said."
    )
    notify: Notify = Field(default_factory=Notify, description="Who is told when a person is needed.")
    schedule: Schedule = Field(default_factory=Schedule, description="When the DAGs run; by hand only when not said.")

    _path: Path | None = PrivateAttr(default=None)

    @property
    def path(self) -> Path | None:
        """The file it was read from, absolute; None for a mapping made in code."""
        return self._path

    @property
    def sources(self) -> tuple[SourceSettings, ...]:
        """The sources, the one with the most authority first."""
        return tuple(self.source) if isinstance(self.source, list) else (self.source,)

    @property
    def untyped(self) -> tuple[str, ...]:
        """Shortnames of the profile fields whose type only the site can tell."""
        return tuple(name for name, value in self.profile_fields.items() if value.type is None)

    def write_policy(self, field: str) -> Write:
        """Say when a field is written; ``field`` is Moodle's name, or profile_field_<shortname>.

        The idnumber is the key and always follows the source; a username follows ``username.rename``.
        """
        if field == "username":
            return Write.ALWAYS if self.username.rename else Write.ON_CREATE
        policies: dict[str, Write] = {str(name): write for name, write in self.write.items()}
        policies.update({str(name): value.write for name, value in self.fields.items()})
        policies.update({f"{PROFILE_PREFIX}{name}": value.write for name, value in self.profile_fields.items()})
        return policies.get(field, Write.ALWAYS)

    def with_defaults(self, *, auth: str = "", lang: str = "", country: str = "") -> Mapping:
        """Give the mapping with the connection's defaults for new accounts, where the file names no such field."""
        defaults: dict[MoodleField, str] = {"auth": auth, "lang": lang, "country": country}
        added: dict[MoodleField, FieldValue] = {
            name: FieldValue(value=value, write=Write.ON_CREATE)
            for name, value in defaults.items()
            if value and name not in self.fields
        }
        return self.model_copy(update={"fields": {**self.fields, **added}}) if added else self

    def leaving_alone(self, columns: Collection[str]) -> Mapping:
        """Give the mapping without the fields and profile fields that come from one of these columns.

        They are neither compared nor written then: for a source that does not bring the column.
        """
        if not columns:
            return self
        kept = {name: one for name, one in self.fields.items() if one.column not in columns}
        profile = {name: one for name, one in self.profile_fields.items() if one.column not in columns}
        return self.model_copy(update={"fields": kept, "profile_fields": profile})

    @field_validator("email")
    @classmethod
    def _no_double(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise ValueError(Sentence("mapping.each_column_once"))
        return value

    @field_validator("fields")
    @classmethod
    def _auth_on_create(cls, value: dict[MoodleField, FieldValue]) -> dict[MoodleField, FieldValue]:
        # How an account logs in may be changed in Moodle on purpose; no run may undo that unless it was asked to.
        auth = value.get("auth")
        if auth is not None and "write" not in auth.model_fields_set:
            return {**value, "auth": auth.model_copy(update={"write": Write.ON_CREATE})}
        return value

    @field_validator("profile_fields")
    @classmethod
    def _shortnames(cls, value: dict[str, ProfileValue]) -> dict[str, ProfileValue]:
        found: list[tuple[Location, Sentence]] = [
            ((shortname,), problem) for shortname in value if (problem := shortname_problem(shortname))
        ]
        if found:
            refuse(found)
        return value

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Mapping:
        found = list(problems(self.model_dump()))
        if found:
            refuse(found)
        return self
