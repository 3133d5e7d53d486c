"""What will be written: a create's fields, and of an existing account only what differs."""

from __future__ import annotations

from json.encoder import encode_basestring as quoted
from typing import TYPE_CHECKING, Final

from moodle_coupling.contract.auth_plugins import NEEDS_PASSWORD
from moodle_coupling.contract.fields import CREATE_FIELDS, MAPPED_FIELDS, NAME_FIELDS, NEVER_EMPTIED, PROFILE_PREFIX
from moodle_coupling.mapping import FieldValue, Write
from moodle_coupling.matching.compare import differs, is_empty

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from moodle_coupling.mapping import Mapping

    Mask = npt.NDArray[np.bool_]

_NEEDS_PASSWORD: Final = NEEDS_PASSWORD | {""}  # '' becomes manual


class Changes:
    """JSON texts of changes that grow field by field; one per row, '{}' as long as nothing is added."""

    def __init__(self, rows: int) -> None:
        self._parts = [""] * rows

    def add(self, where: Iterable[int], field: str, old: Iterable[str] | None, new: Iterable[str]) -> None:
        """Add ``field`` at the row numbers ``where``; ``old`` None stands for null."""
        name = quoted(field)
        if old is None:
            for at, value in zip(where, new, strict=True):
                self._parts[at] += f", {name}: [null, {quoted(value)}]"
            return
        for at, before, value in zip(where, old, new, strict=True):
            self._parts[at] += f", {name}: [{quoted(before)}, {quoted(value)}]"

    def add_flag(self, where: Iterable[int], field: str, pair: str) -> None:
        """Add a field that is not text; ``pair`` is the JSON of old and new without brackets."""
        for at in where:
            self._parts[at] += f", {quoted(field)}: [{pair}]"

    def texts(self) -> list[str]:
        """Give the JSON objects."""
        return ["{" + part[2:] + "}" for part in self._parts]


def further_fields(persons: pd.DataFrame) -> list[str]:
    """Give the mapped fields and profile fields that a candidates frame has, in the order in which they are written."""
    profile = sorted(name for name in persons.columns if name.startswith(PROFILE_PREFIX))
    return [name for name in MAPPED_FIELDS if name in persons.columns] + profile


def add_create(changes: Changes, persons: pd.DataFrame, at: npt.NDArray[np.intp], mapping: Mapping) -> None:
    """Add every filled field of ``persons`` (``username`` already final), who stand at the row numbers ``at``."""
    for field in [*CREATE_FIELDS, *further_fields(persons)]:
        filled = (persons[field] != "").to_numpy()
        changes.add(at[filled], field, None, persons[field].to_numpy()[filled])
    if mapping.password == "none":  # noqa: S105  # the setting's name, no password
        return
    auth = persons["auth"] if "auth" in persons else persons["username"].where(persons["username"] == "", "")
    changes.add_flag(at[auth.isin(_NEEDS_PASSWORD).to_numpy()], "createpassword", "null, true")


def policy_of(field: str, mapping: Mapping) -> Write:
    """Say when a field of an existing account is written; a field that the mapping does not name never is."""
    if field not in NAME_FIELDS and _setting(field, mapping) is None:
        return Write.ON_CREATE
    return mapping.write_policy(field)


def may_be_emptied(field: str, mapping: Mapping) -> bool:
    """Tell whether an empty value of the source may empty the field in Moodle."""
    setting = _setting(field, mapping)
    return field not in NEVER_EMPTIED and setting is not None and setting.column is not None


def to_write(
    field: str, old: pd.Series[str], new: pd.Series[str], mapping: Mapping, *, barred: Mask, remarked: Mask
) -> Mask:
    """Tell which rows of an existing account get ``new`` in ``field``.

    ``barred`` are rows whose value must not be written; ``remarked`` rows with any reason on that field, where an empty
    value means "was not usable" and not "was emptied".
    """
    policy = policy_of(field, mapping)
    if policy == Write.ON_CREATE:
        return barred & ~barred
    wanted: Mask = differs(field, old, new).to_numpy() & ~barred
    filled = (new != "").to_numpy()
    if policy == Write.IF_EMPTY:
        return wanted & filled & is_empty(field, old).to_numpy()
    if not may_be_emptied(field, mapping):
        return wanted & filled
    return wanted & (filled | ~remarked)


def _setting(field: str, mapping: Mapping) -> FieldValue | None:
    if field.startswith(PROFILE_PREFIX):
        return mapping.profile_fields.get(field.removeprefix(PROFILE_PREFIX))
    return mapping.fields.get(field)
