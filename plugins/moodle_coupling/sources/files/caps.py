"""How large a file may be before it is refused: no file may take all memory of a worker, whatever it says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from moodle_coupling import settings
from moodle_coupling.errors import SourceError
from moodle_coupling.words.sentence import Sentence, in_turn

MEGABYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Caps:
    """The limits; sizes in bytes. Each check raises SourceError, which says how much there was and which option raises it."""

    file_bytes: int
    unpacked_bytes: int
    rows: int
    columns: int
    cell_characters: int

    @classmethod
    def configured(cls) -> Caps:
        """Return what Airflow's configuration says."""
        return cls(
            settings.file_megabytes() * MEGABYTE,
            settings.file_unpacked_megabytes() * MEGABYTE,
            settings.file_rows(),
            settings.file_columns(),
            settings.file_cell_characters(),
        )

    def check_size(self, size: int, file: str) -> None:
        """Refuse a file of too many bytes."""
        if size > self.file_bytes:
            _refuse(Sentence("sources.too_large.bytes", file=file, size=size, limit=self.file_bytes), "file_megabytes")

    def check_unpacked(self, size: int, file: str) -> None:
        """Refuse a file that unpacks to too many bytes."""
        if size > self.unpacked_bytes:
            _refuse(
                Sentence("sources.too_large.unpacked", file=file, size=size, limit=self.unpacked_bytes),
                "file_unpacked_megabytes",
            )

    def check_rows(self, number: int, place: Sentence | str) -> None:
        """Refuse a row beyond the last that is allowed."""
        if number > self.rows:
            _refuse(Sentence("sources.too_large.rows", place=place, number=number, limit=self.rows), "file_rows")

    def check_columns(self, number: int, place: Sentence | str) -> None:
        """Refuse a column beyond the last that is allowed."""
        if number > self.columns:
            _refuse(
                Sentence("sources.too_large.columns", place=place, number=number, limit=self.columns), "file_columns"
            )


def _refuse(what: Sentence, option: str) -> None:
    raise SourceError(in_turn([what, Sentence("sources.too_large", option=f"[{settings.SECTION}] {option}")]))
