"""The part of a mapping file that says which plans wait for a person's approval, and who is told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, WrapSerializer, field_validator, model_validator

from moodle_coupling.mapping.parts import Part, refuse
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler, SerializerFunctionWrapHandler
    from pydantic_core import CoreSchema

    from moodle_coupling.mapping.checks import Location

OFF: Final = "off"
"""What the file says of a limit that is not watched; None in the model."""

CONNECTION_ID: Final = re.compile(r"[\w#!()\-.:/\\]{1,250}")
"""Airflow's own rule (airflow.models.connection, 3.3)."""

_ADDRESS: Final = re.compile(r"[^\s@<>,;:\"()\[\]]+@[^\s@<>,;:\"()\[\]]+\.[^\s@<>,;:\"()\[\]]+")


class Limit(Part):
    """More than so many and more than such a share: passed only when both are.

    A number alone would stop a large school every night, a share alone a small one for a single person.
    """

    count: Annotated[int, Field(ge=0)] = Field(0, description="More than so many; 0 leaves it to the share.")
    share: Annotated[float, Field(ge=0)] = Field(
        0.0, description="And more than this share (0.05 is 5 %) of the accounts there are; 0 leaves it to the count."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Limit:
        if not self.model_fields_set:
            raise ValueError(Sentence("mapping.safeguards.says_nothing"))
        return self


def _unwatched(value: Any) -> Any:
    # An emptied key must not silently switch a safeguard off: that takes a word.
    if value is None:
        raise ValueError(Sentence("mapping.safeguards.empty", off=OFF))
    return None if value in (OFF, "false") or value is False else value


def _said(value: Any, serialize: SerializerFunctionWrapHandler) -> Any:
    return OFF if value is None else serialize(value)


class _OffInsteadOfNull:
    """Lets the JSON Schema take 'off' where the model has None; to editors that read YAML 1.1 that word is false."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core_schema)
        kinds = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
        return {**schema, "anyOf": [*kinds, {"enum": [OFF, False]}]}


Watched = Annotated[Limit | None, BeforeValidator(_unwatched), WrapSerializer(_said), _OffInsteadOfNull]
WatchedShare = Annotated[
    Annotated[float, Field(gt=0, le=1)] | None, BeforeValidator(_unwatched), WrapSerializer(_said), _OffInsteadOfNull
]


class Safeguards(Part):
    """Limits on a plan: passed, the run stops before its first write until a person has approved exactly that plan."""

    first_load: bool = Field(default=True, description="The first load ever of this Moodle waits for approval.")
    creates: Watched = Field(Limit(count=50, share=0.5), description="New accounts; not watched on the first load.")
    updates: Watched = Field(Limit(count=20, share=0.3), description="Accounts that would be changed or reactivated.")
    suspensions: Watched = Field(Limit(count=20, share=0.05), description="Accounts that would be suspended.")
    rekeys: Watched = Field(
        Limit(count=10, share=0.02), description="Accounts that would get an ID number, or another one."
    )
    renames: Watched = Field(Limit(count=10, share=0.02), description="Accounts that would get another username.")
    rejections: Watched = Field(
        Limit(count=20, share=0.2), description="Persons that are rejected; the share is of the persons in scope."
    )
    source_shrunk: WatchedShare = Field(
        0.2, description="The source has lost this share of its persons, or more, since the last good run."
    )
    source_empty: bool = Field(default=True, description="The source has no persons at all, and had some.")
    approval_hours: Annotated[int, Field(ge=1, le=720)] = Field(
        24, description="Hours that a plan waits for approval; then it counts as rejected."
    )


Hours = Annotated[
    Annotated[int, Field(ge=1, le=8760)] | None, BeforeValidator(_unwatched), WrapSerializer(_said), _OffInsteadOfNull
]


def connection_id(value: str) -> str:
    """Give the value when it can be the id of an Airflow connection; raises ValueError when not."""
    # The text is not repeated: somebody may have put the token or an address with one here.
    if not CONNECTION_ID.fullmatch(value) or "://" in value:
        raise ValueError(Sentence("mapping.connection_id"))
    return value


ConnectionId = Annotated[str, AfterValidator(connection_id)]
"""The id of an Airflow connection."""


class Notify(Part):
    """Who is told by e-mail when a person is needed, and after how long without a good run."""

    to: list[str] = Field(default_factory=list, description="E-mail addresses; nobody is told when there are none.")
    connection: ConnectionId = Field("smtp_default", description="Airflow connection of type 'smtp' that sends.")
    no_good_run_hours: Hours = Field(
        36, description="Hours without a run for everyone that ended well, after which people are told; off for never."
    )

    @field_validator("to")
    @classmethod
    def _addresses(cls, value: list[str]) -> list[str]:
        found: list[tuple[Location, Sentence]] = [
            ((position,), Sentence("mapping.notify.address", address=address))
            for position, address in enumerate(value)
            if not _ADDRESS.fullmatch(address)
        ]
        if found:
            refuse(found)
        return value
