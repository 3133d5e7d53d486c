"""A Moodle account as it was read back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from moodle_coupling.contract.fields import MAPPED_FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Account:
    """A Moodle user as read back. Absent and empty are the same to Moodle: both are '' here.

    ``email`` and ``suspended``, which every account has, are None when the token may not see them (hidden is not empty).
    ``mapped`` holds the fields that a mapping may name (MAPPED_FIELDS of contract/fields.py).
    ``profile`` maps a profile field's shortname to its raw value; empty ones are left out by Moodle.
    ``profile_types`` maps those shortnames to the field's type (contract/profile_fields.py).
    """

    id: int
    username: str
    firstname: str = ""
    lastname: str = ""
    email: str | None = None
    idnumber: str = ""
    suspended: bool | None = False
    mapped: Mapping[str, str] = field(default_factory=dict)
    profile: Mapping[str, str] = field(default_factory=dict)
    profile_types: Mapping[str, str] = field(default_factory=dict, compare=False)

    def value(self, name: str) -> str | bool | None:
        """Give a field of contract/fields.py by its name."""
        if name in MAPPED_FIELDS:
            return self.mapped.get(name, "")
        found: str | bool | None = getattr(self, name)
        return found
