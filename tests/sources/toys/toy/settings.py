"""What a mapping file says of toys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from moodle_coupling.mapping.access import AccessList
from moodle_coupling.mapping.source import SourceSettings

if TYPE_CHECKING:
    from pathlib import Path


class ToySource(SourceSettings):
    """Persons out of the mapping file itself."""

    type: Literal["toy"] = Field(description="Toys.")
    connection: str = Field(description="Airflow connection of type toybox.")
    names: list[str] = Field(description="What the toys are called.")

    def where(self, base: Path) -> str:
        return "the toy"


class ToyList(ToySource, AccessList):
    """Toys, each with its course."""

    courses: list[str] = Field(description="What each of the toys follows.")
