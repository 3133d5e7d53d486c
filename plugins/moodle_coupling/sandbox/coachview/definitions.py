"""The definitions of free fields, and how a person's free fields are written."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from moodle_coupling.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
