"""The parts of a mapping file: one small model per subject, each checked on its own."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NoReturn

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from moodle_coupling.contract.fields import ProfileType
from moodle_coupling.contract.recipes import UsernameRecipe
from moodle_coupling.mapping.checks import did_you_mean, time_zone_problem
from moodle_coupling.mapping.expressions import cron_problem, linear_pattern
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from moodle_coupling.mapping.checks import Location

FilledText = Annotated[str, StringConstraints(min_length=1)]
DEFAULT_REPORT: Final = "Moodle coupling"


class Part(BaseModel):
    """A part of a mapping file: unknown keys are errors, and what is read does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_section_is_unsaid(cls, data: Any) -> Any:
        # 'scope:' with only comments below it reads as null; a person means: nothing said here.
        if not isinstance(data, dict):
            return data
        sections = {name for name, field in cls.model_fields.items() if field.default_factory is not None}
        return {key: value for key, value in data.items() if value is not None or key not in sections}


def refuse(found: list[tuple[Location, Sentence]]) -> NoReturn:
    """Raise one ValidationError for all that was found inside the value being validated, each at its own place."""
    details = [
        InitErrorDetails(type=PydanticCustomError("value_error", "{error}", {"error": said}), loc=where, input=None)
        for where, said in found
    ]
    raise ValidationError.from_exception_data("Mapping", details)


class IdnumberFrom(StrEnum):
    """Which of the person's ids becomes Moodle's ID number."""

    EXTERN_ID = "extern_id"
    PERSON_ID = "person_id"
    EXTERN_ID_ELSE_PERSON_ID = "extern_id_else_person_id"


class Write(StrEnum):
    """When a field is written to Moodle."""

    ALWAYS = "always"
    ON_CREATE = "on_create"
    IF_EMPTY = "if_empty"


class Unmatched(StrEnum):
    """What happens to a value that a value_map does not name."""

    LEAVE_OUT = "leave_out"
    KEEP = "keep"
    REJECT = "reject"


class LeaverPolicy(StrEnum):
    """What happens to an account whose person left."""

    IGNORE = "ignore"
    REPORT = "report"
    SUSPEND = "suspend"


class Username(Part):
    """How usernames are made."""

    recipe: UsernameRecipe = Field(
        UsernameRecipe.FIRST_INFIX_LAST, description="What the username is made of; the parts are joined in this order."
    )
    separator: Annotated[str, Field(pattern=r"^[._-]?$")] = Field(
        "-", description="Between the parts: '-', '.', '_' or '' for nothing (in quotes)."
    )
    transliterate: dict[FilledText, str] = Field(
        default_factory=dict,
        description="Letters to write otherwise, before the general rules for diacritics and other scripts; for instance "
        "ü: ue. What is said of a small letter holds for its capital too.",
    )
    rename: bool = Field(default=False, description="Give an existing account the new username when its parts change.")

    @field_validator("transliterate")
    @classmethod
    def _plain_letters(cls, value: dict[str, str]) -> dict[str, str]:
        found: list[tuple[Location, Sentence]] = [
            ((letters,), Sentence("mapping.username.plain_letters", plain=plain))
            for letters, plain in value.items()
            if not plain.isascii()
        ]
        if found:
            refuse(found)
        return _with_capitals({unicodedata.normalize("NFC", letters): plain for letters, plain in value.items()})


def _with_capitals(table: dict[str, str]) -> dict[str, str]:
    # Usernames are lower-cased after this step, so 'ü: ue' alone would leave Übel to the general rules: 'ubel'.
    capitals = {
        form: plain
        for letters, plain in table.items()
        for form in (letters.upper(), letters.capitalize())
        if form != letters and len(form) == len(letters) and form.lower() == letters
    }
    return capitals | table


class FieldValue(Part):
    """Where a Moodle field's value comes from and when it is written."""

    column: str | None = Field(
        None, description="Column the value is taken from: one of ours, or a free one named in source.columns."
    )
    value: str | None = Field(None, description="The same value for everyone, instead of a column.")
    default: str = Field("", description="Used where the column is empty.")
    write: Write = Field(
        Write.ALWAYS,
        description="When it is written to Moodle: always, only when the account is created, or only while the field is "
        "empty in Moodle. For auth on_create when nothing is said.",
    )

    value_map: dict[FilledText, str] | None = Field(
        None,
        min_length=1,
        description="What a value of the column becomes, such as ja: '1'. A value that stands here letter for letter comes first, "
        "then one that differs in letter case only. An empty column is left to 'default'.",
    )
    unmatched: Unmatched = Field(
        Unmatched.LEAVE_OUT,
        description="What happens to a value that value_map does not name: it is left out with a reason, kept as it is, or the "
        "person is rejected.",
    )

    @model_validator(mode="after")
    def _map_of_a_column(self) -> FieldValue:
        if self.value_map is None and "unmatched" in self.model_fields_set:
            raise ValueError(Sentence("mapping.field.unmatched"))
        if self.value_map is not None and self.column is None:
            raise ValueError(Sentence("mapping.field.map_of_a_column"))
        return self

    def translated(self, text: str) -> str | None:
        """Give what a filled text of the column becomes by ``value_map``; None where the map does not name it."""
        table = self.value_map or {}
        if text in table:
            return table[text]
        alike = {table[name] for name in table if name.casefold() == text.casefold()}
        return alike.pop() if len(alike) == 1 else None

    @model_serializer(mode="wrap")
    def _without_the_unsaid(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # What is not said changes no fingerprint: else everyone would be looked at again for a key that nobody uses.
        said: dict[str, Any] = handler(self)
        fields = type(self).model_fields
        return {name: value for name, value in said.items() if name in _ALWAYS_SAID or value != fields[name].default}

    @model_validator(mode="after")
    def _one_origin(self) -> FieldValue:
        if (self.column is None) == (self.value is None):
            raise ValueError(Sentence("mapping.field.one_origin"))
        if self.value is not None and self.default:
            raise ValueError(Sentence("mapping.field.default"))
        return self


_ALWAYS_SAID: Final = frozenset({"column", "value", "default", "write"})


def date_format_problem(value: str) -> Sentence | None:
    """Say why dates cannot be read by this format of Python's strptime, None when they can."""
    day = dt.datetime(2024, 5, 21, 13, 30, tzinfo=dt.UTC)
    try:
        read = dt.datetime.strptime(day.strftime(value), value)  # noqa: DTZ007  # a test
    except (ValueError, re.error) as error:
        return Sentence("mapping.profile.no_date_format", format=value, error=str(error))
    return None if read.date() == day.date() else Sentence("mapping.profile.not_a_whole_date", format=value)


class ProfileValue(FieldValue):
    """A profile field's value, and what the field is in Moodle: the site says so too, as soon as an account shows it."""

    type: ProfileType | None = Field(
        None,
        description="The field's type in Moodle. Read from the site where an account shows the field; say it for a field that "
        "nobody has filled in yet. A type that the site contradicts stops the run.",
    )
    date_format: str | None = Field(
        None,
        description="How the source writes the date of a datetime field, as Python's strptime has it: '%d-%m-%Y', or "
        "'%d-%m-%Y %H:%M' where the field includes the time. When not said 2024-05-01.",
    )
    time_zone: str | None = Field(
        None,
        description="The site's own time zone, as Region/City; needed for a datetime field that includes the time.",
    )
    years: list[int] | None = Field(
        None,
        min_length=2,
        max_length=2,
        description="First and last year that a datetime field takes in Moodle; it moves others to the bound.",
    )
    options: list[FilledText] | None = Field(
        None,
        min_length=1,
        description="The options of a menu, as in Moodle. When not said only options that an account has are known, and "
        "others are not written.",
    )

    @property
    def with_time(self) -> bool:
        """Whether the source brings the time of the day."""
        return re.search(r"%[HIMSTpXc]", self.date_format or "") is not None

    @field_validator("date_format")
    @classmethod
    def _reads_a_date(cls, value: str | None) -> str | None:
        if value is not None and (problem := date_format_problem(value)):
            raise ValueError(problem)
        return value

    @field_validator("time_zone")
    @classmethod
    def _time_zone(cls, value: str | None) -> str | None:
        if value is not None and (problem := time_zone_problem(value)):
            raise ValueError(problem)
        return value

    @model_validator(mode="after")
    def _of_its_type(self) -> ProfileValue:
        of_dates = [name for name in ("date_format", "time_zone", "years") if getattr(self, name) is not None]
        if of_dates and self.type is not ProfileType.DATETIME:
            raise ValueError(Sentence("mapping.profile.of_dates", key=of_dates[0]))
        if self.options is not None and self.type is not ProfileType.MENU:
            raise ValueError(Sentence("mapping.profile.of_menus"))
        if self.with_time and self.time_zone is None:
            raise ValueError(Sentence("mapping.profile.time_zone"))
        if self.years is not None and self.years[0] > self.years[1]:
            raise ValueError(Sentence("mapping.profile.years"))
        self._check_constants()
        return self

    def _check_constants(self) -> None:
        """Refuse a constant that the rule for persons' values would leave out of everyone's account."""
        from moodle_coupling.contract.fields import to_moodle

        mapped = {f"value_map.{name}": text for name, text in (self.value_map or {}).items()}
        for name, said in {"value": self.value, "default": self.default, **mapped}.items():
            if said and self.type is not None and (self.type is not ProfileType.MENU or self.options is not None):
                _, problem = to_moodle(said, self.type, self, self.options or ())
                if problem:
                    hint = did_you_mean(said, self.options or ())
                    raise ValueError(
                        Sentence("mapping.profile.not_taken", key=name, value=said, type=str(self.type), hint=hint)
                    )


class Condition(Part):
    """One condition on a column of the persons frame; exactly one of the tests."""

    column: str = Field(description="Column that is tested: one of ours, or a free one named in source.columns.")
    equals: str | None = Field(None, description="The value is exactly this.")
    not_equals: str | None = Field(None, description="The value is anything but this.")
    any_of: list[str] | None = Field(
        None, min_length=1, description="The value, or one of its '|'-separated parts, is in this list."
    )
    none_of: list[str] | None = Field(
        None, min_length=1, description="Neither the value nor one of its '|'-separated parts is in this list."
    )
    matches: str | None = Field(
        None,
        description="Regular expression, as in Python, that the whole value must match. Refused is what looks ahead, behind or back.",
    )
    not_empty: bool | None = Field(None, description="true: the column is filled in; false: it is empty.")

    @field_validator("matches")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value is not None:
            linear_pattern(value)
        return value

    @model_validator(mode="after")
    def _one_test(self) -> Condition:
        tests = ("equals", "not_equals", "any_of", "none_of", "matches", "not_empty")
        said = [name for name in tests if getattr(self, name) is not None]
        if len(said) != 1:
            named = ", ".join(tests)
            none = Sentence("mapping.condition.no_test", tests=named)
            raise ValueError(Sentence("mapping.condition.one_test", tests=named, found=said) if said else none)
        return self


class Scope(Part):
    """Who belongs in this Moodle: persons for whom every condition holds."""

    include: list[Condition] = Field(
        default_factory=list, description="Conditions that must all hold; without any, everyone belongs."
    )
    inactive: bool = Field(default=False, description="Persons the source calls inactive belong too.")


class Matching(Part):
    """How persons and accounts are joined beyond the idnumber."""

    link_on: list[Literal["email", "username"]] = Field(
        default_factory=list,
        description="Link without asking an account without ID number that is found by one of these.",
    )
    shared_email: bool = Field(
        default=False,
        description="This Moodle allows several accounts with one e-mail address (allowaccountssameemail).",
    )
    protected_usernames: list[FilledText] = Field(
        default_factory=list, description="Usernames of accounts that are never written."
    )
    protected_idnumbers: list[FilledText] = Field(
        default_factory=list, description="ID numbers of accounts that are never written."
    )


class Leavers(Part):
    """Accounts whose idnumber belongs to no person (full runs only)."""

    policy: LeaverPolicy = Field(
        LeaverPolicy.REPORT,
        description="Do nothing, list them as mismatches, or suspend them. Nothing is ever deleted.",
    )
    grace_days: Annotated[int, Field(ge=0, le=3650)] = Field(
        14, description="Days that a person must be gone before the policy is carried out."
    )


class Limits(Part):
    """How much may go wrong before a load stops, or a run counts as failed."""

    tolerated_failures: Annotated[float, Field(ge=0, le=1)] = Field(
        0.05,
        description="Share of the persons in scope (0 to 1) that may fail before the run is a failure; one alone never makes it one, unless this is 0.",
    )
    stop_share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.4, description="A load stops itself when more than this share of its attempts failed, and the Moodle rests."
    )
    stop_minimum: Annotated[int, Field(ge=1)] = Field(
        20, description="Attempts that must have been made before stop_share counts."
    )
    chunk_size: Annotated[int, Field(ge=100, le=100_000)] = Field(5000, description="Persons per mapped load task.")


class Schedule(Part):
    """When the DAGs run: cron expressions or presets, or nothing for by hand only."""

    provision: str | None = Field(
        None,
        description="When what changed is sent: five cron fields or '@hourly' and the like; empty is by hand only.",
    )
    reconcile: str | None = Field(
        None,
        description="When everything is compared: five cron fields or '@daily' and the like; empty is by hand only.",
    )
    timezone: str = Field("Europe/Amsterdam", description="Time zone of both, as Region/City.")

    @field_validator("provision", "reconcile")
    @classmethod
    def _cron(cls, value: str | None) -> str | None:
        if value is None:
            return None
        problem = cron_problem(value)
        if problem:
            raise ValueError(problem)
        return " ".join(value.split())

    @field_validator("timezone")
    @classmethod
    def _time_zone(cls, value: str) -> str:
        problem = time_zone_problem(value)
        if problem:
            raise ValueError(problem)
        return value


class SnapshotStrategy(StrEnum):
    """How everyone is read."""

    AUTO = "auto"
    FIELDS = "fields"
    LISTING = "listing"
    REPORT = "report"


class SnapshotSettings(Part):
    """How all accounts are read on a full run."""

    strategy: SnapshotStrategy = Field(
        SnapshotStrategy.AUTO,
        description="`fields`: by account number, in chunks; `listing`: by the beginning of the e-mail address; `report`: a "
        "custom report in Moodle says who there is; `auto`: the report where there is one, else what suits the account "
        "numbers. See docs/snapshot.md.",
    )
    report: int | str = Field(
        DEFAULT_REPORT,
        description="Name of the custom report in Moodle, or its number (the `id` in the address of its page).",
    )

    @field_validator("report")
    @classmethod
    def _names_one(cls, value: int | str) -> int | str:
        text = str(value).strip()
        if not text or (text.isascii() and text.lstrip("-").isdigit() and int(text) < 1):
            raise ValueError(Sentence("mapping.snapshot.report"))
        return int(text) if text.isascii() and text.isdigit() else text


def shortname_problem(shortname: str) -> Sentence | None:
    """Say why this cannot be a profile field's shortname (None when it can).

    Moodle's own form takes letters, digits and underscores, at most 100 (user/profile/definelib.php).
    """
    if re.fullmatch(r"[A-Za-z0-9_]{1,100}", shortname):
        return None
    cleaned = re.sub(r"[^A-Za-z0-9_]", "", shortname)
    hint = did_you_mean(shortname, [cleaned]) if cleaned else ""
    return Sentence("mapping.profile.shortname", shortname=shortname, hint=hint)
