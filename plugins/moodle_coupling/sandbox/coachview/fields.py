"""The fields of a person in Coachview's spelling, free fields among them, and how their values compare."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from moodle_coupling.errors import SettingError
from moodle_coupling.sandbox.coachview.refusals import bad_request

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


Person = dict[str, Any]
"""A person as Coachview writes it, and beside its keys those of ``FURTHER``."""

FREE, CATEGORIES, EXTRA, RELATIONS = "vrijevelden", "categorieen", "extraVelden", "directeRelaties"
FURTHER = frozenset({FREE, CATEGORIES, EXTRA, RELATIONS})
CREATED, CHANGED = "aangemaaktDatumTijd", "gewijzigdDatumTijd"
AUDIT = "auditTrail"
_ADDRESS = ("adres1", "adres2", "adres3", "adres4", "postcode", "plaats", "landCode")
_GUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")


class Kind(StrEnum):
    """What kind of value a field holds."""

    TEXT = "text"
    GUID = "guid"
    YES_NO = "boolean"
    DAY = "day"
    MOMENT = "moment"


@dataclass(frozen=True)
class Field:
    """A field: its path in a person, and its kind."""

    path: tuple[str, ...]
    kind: Kind = Kind.TEXT

    @property
    def name(self) -> str:
        """The dotted path."""
        return ".".join(self.path)

    def of(self, person: Person) -> Any:
        """Return a person's value, None where it has none; empty counts as none."""
        value: Any = person
        for key in self.path:
            value = value.get(key) if isinstance(value, dict) else None
        return None if value == "" else value


PERSON_FIELDS = (
    Field(("id",), Kind.GUID),
    Field(("titel",)),
    Field(("voorletters",)),
    Field(("voornaam",)),
    Field(("tussenvoegsels",)),
    Field(("achternaam",)),
    Field(("achterTitel",)),
    Field(("inactief",), Kind.YES_NO),
    *(Field(("adres", part)) for part in _ADDRESS),
    *(Field(("factuurAdres", part)) for part in _ADDRESS),
    Field(("email1",)),
    Field(("email2",)),
    Field(("email3",)),
    Field(("tel1",)),
    Field(("geslacht",)),
    Field(("geboortedatum",), Kind.DAY),
    Field(("geboorteplaats",)),
    Field(("externId",)),
    Field(("externSource",)),
    Field((AUDIT, CREATED), Kind.MOMENT),
    Field((AUDIT, "aangemaaktDoor")),
    Field((AUDIT, CHANGED), Kind.MOMENT),
    Field((AUDIT, "gewijzigdDoor")),
    Field((AUDIT, "etag")),
)
_BY_NAME = {field.name.lower(): field for field in PERSON_FIELDS}


def field_named(name: str) -> Field:
    """Return the field that a filter or order names, letter case aside. Raises :class:`Refusal`."""
    field = _BY_NAME.get(name.lower())
    if field is None:
        raise bad_request(f"'{name}' is not a field of Personen.")
    return field


def is_guid(value: Any) -> bool:
    """Return whether a value is a GUID in small letters."""
    return isinstance(value, str) and _GUID.fullmatch(value) is not None


@dataclass(frozen=True)
class Rules:
    """How values compare; two queries with the same rules compare the same."""

    case_sensitive: bool = False
    guid_order: str = "text"
    period_includes_end: bool = False
    time_in_filter: bool = False

    def key(self, field: Field, value: Any) -> Any:
        """Return what a stored value is compared and ordered by, None for no value."""
        if value is None:
            return None
        if field.kind is Kind.TEXT:
            return str(value) if self.case_sensitive else str(value).casefold()
        if field.kind is Kind.GUID and self.guid_order == "sql_server":
            return _as_sql_server_orders(value)
        return value

    def wanted(self, field: Field, text: str) -> Any:
        """Return the key for a value in a filter. Raises :class:`Refusal` where the field cannot hold it."""
        if field.kind is Kind.GUID:
            if not is_guid(text.lower()):
                raise bad_request(f"'{text}' is not a GUID, as {field.name} is.")
            return self.key(field, text.lower())
        if field.kind is Kind.YES_NO:
            if text.lower() not in ("true", "false"):
                raise bad_request(f"'{text}' is neither true nor false, as {field.name} is.")
            return text.lower() == "true"
        if field.kind in (Kind.DAY, Kind.MOMENT):
            return self._date(field, text)
        return self.key(field, text)

    def _date(self, field: Field, text: str) -> str:
        form = "%d-%m-%Y %H:%M:%S" if self.time_in_filter and " " in text else "%d-%m-%Y"
        try:
            moment = dt.datetime.strptime(text, form)  # noqa: DTZ007 - local, as stored
        except ValueError:
            raise bad_request(f"'{text}' is not a day as {field.name} takes it (dd-MM-yyyy).") from None
        return moment.strftime("%Y-%m-%d") if field.kind is Kind.DAY else moment.isoformat(timespec="seconds")


def _as_sql_server_orders(guid: str) -> str:
    """Return the key by which SQL Server orders a uniqueidentifier: its last group first, the first ones byte by byte."""
    first, second, third, fourth, fifth = guid.split("-")
    return fifth + fourth + _turned(third) + _turned(second) + _turned(first)


def _turned(group: str) -> str:
    return bytes.fromhex(group)[::-1].hex()


_CODE = re.compile(r"Vrijveld[A-Za-z0-9]{1,17}")


@dataclass(frozen=True)
class FreeField:
    """The definition of a free field, under Coachview's own names; ``vertrouwelijk`` is confidential."""

    code: str
    label: str = ""
    volgorde: int = 1
    vrijveldTypeId: str = "Tekst"  # noqa: N815 - Coachview's key
    expressie: str | None = None
    inactief: bool = False
    vertrouwelijk: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return it as ``vrijveldDefinitie`` holds it."""
        return {**asdict(self), "label": self.label or self.code}


DEFAULT_FREE_FIELDS = (
    FreeField("Vrijveld1", "Groep", 1),
    FreeField("Vrijveld2", "Pasnummer", 2),
    FreeField("VrijveldAfdeling", "Afdeling", 3),
    FreeField("VrijveldNotitie", "Notitie", 4, vertrouwelijk=True),
    FreeField("VrijveldOud", "Niet meer in gebruik", 5, inactief=True),
)


def free_field_from(values: Any) -> FreeField:
    """Return the definition that a JSON object describes. Raises :class:`SettingError` naming what is wrong."""
    try:
        field = FreeField(**values)
    except TypeError as error:
        raise SettingError(f"A free field's definition cannot be {values!r}: {error}.") from error
    if not _CODE.fullmatch(str(field.code)):
        raise SettingError(
            f"Free field code {field.code!r} must be 'Vrijveld' and letters or digits, 25 characters at most."
        )
    return field


class FreeFields:
    """The free fields there are."""

    def __init__(self, fields: Iterable[FreeField]) -> None:
        self._fields = sorted(fields, key=lambda field: field.volgorde)
        self.codes = frozenset(field.code for field in self._fields)
        self._written = [(field.code, field.as_json()) for field in self._fields]

    def with_definitions(self, free: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return a person's free fields (code → value) as a list of data with its definition, in their order.

        A field that the person has no value for is there with ``data`` null.
        """
        return [{"data": free.get(code), "vrijveldDefinitie": definition} for code, definition in self._written]

    def by_code(self, free: Mapping[str, Any], *, also_empty: bool) -> dict[str, Any]:
        """Return a person's free fields as code → value, in their order."""
        return {code: free.get(code) for code, _ in self._written if also_empty or free.get(code) is not None}
