"""How all accounts of an environment are read, as the mapping file says it."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, field_validator

from moodle_coupling.mapping_parts import Part

DEFAULT_REPORT = "Moodle coupling"


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
            msg = "give the report's name, or its number from 1 up"
            raise ValueError(msg)
        return int(text) if text.isascii() and text.isdigit() else text
