"""The persons frame as cleaned Arrow columns, and columns asked for by a mapping's key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from moodle_coupling.contract.columns import PERSON_COLUMNS, ROW
from moodle_coupling.errors import InputError, MappingError
from moodle_coupling.mapping.checks import did_you_mean
from moodle_coupling.people.arrow import choose, is_blank, same_text, to_texts
from moodle_coupling.people.cleaning import clean_texts, damaged
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from moodle_coupling.contract.frames import Frame
    from moodle_coupling.people.arrow import Mask, Texts


def empty(frame: Frame) -> pd.DataFrame:
    """Give the frame without rows."""
    return made(frame, ())


def made(frame: Frame, rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Give the frame of some rows; keys that are no columns are left out."""
    listed = list(rows)
    return pd.DataFrame(
        {name: pd.Series([row[name] for row in listed], dtype=dtype) for name, dtype in frame.dtypes.items()}
    )


_DECLARED = {column.name: column for column in PERSON_COLUMNS}


class Table:
    """A persons frame; each text column is cleaned once, when it is first asked for.

    A declared column that the frame lacks counts as empty. ``environment`` and
    ``file`` (the mapping file) are named in errors.

    Raises:
        InputError: the frame has no ``row`` column, or its values are not unique.

    """

    def __init__(self, persons: pd.DataFrame, environment: str, file: str) -> None:
        self.rows = rows_of(persons)
        self._persons = persons
        self._environment = environment
        self._file = file
        self._cleaned: dict[str, Texts] = {}
        self._damaged: dict[str, Mask] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def has(self, name: str) -> bool:
        """Return whether the frame holds this column or should."""
        return name in self._persons or name in _DECLARED

    def texts(self, name: str, key: str = "") -> Texts:
        """Return a column's cleaned texts. ``key`` is where the mapping file asks for it, such as ``fields.city.column``.

        Raises:
            MappingError: there is no such column.

        """
        if name not in self._cleaned:
            self._cleaned[name] = self._read(name, key)
        return self._cleaned[name]

    def flag(self, name: str) -> Mask:
        """Return a boolean column; False where it is absent."""
        if name not in self._persons:
            return np.zeros(len(self), dtype=bool)
        mask: Mask = self._persons[name].fillna(value=False).to_numpy(dtype=bool)
        return mask

    def damaged(self, name: str) -> Mask:
        """Return which texts of a column came damaged; looked for before cleaning, which takes half the signs away."""
        if name not in self._persons or self._persons[name].dtype == bool:
            return np.zeros(len(self), dtype=bool)
        if name not in self._damaged:
            self._damaged[name] = damaged(to_texts(self._persons[name]))
        return self._damaged[name].copy()

    def _read(self, name: str, key: str) -> Texts:
        if name in self._persons:
            column = self._persons[name]
            if column.dtype == bool:
                return choose(self.flag(name), same_text("true", len(self)), "false")
            return clean_texts(to_texts(column))
        if name in _DECLARED:
            return same_text("", len(self))
        choices = [*_DECLARED, *map(str, self._persons.columns)]
        raise MappingError(
            Sentence(
                "people.no_such_column",
                coupling=self._environment,
                key=key or Sentence("people.a_column"),
                name=name,
                hint=did_you_mean(name, choices) or ".",
                file=self._file,
            )
        )


def rows_of(persons: pd.DataFrame) -> NDArray[np.int64]:
    """Return the rows that a persons frame's persons stand on; raises InputError when it has none, or one twice."""
    if ROW not in persons:
        raise InputError(Sentence("people.no_row", column=ROW))
    if persons[ROW].duplicated().any():
        raise InputError(Sentence("people.row_twice", column=ROW))
    return persons[ROW].to_numpy(dtype=np.int64)


def first_filled(texts: Texts, otherwise: Texts) -> Texts:
    """Return the texts, and where they are '' those of ``otherwise``."""
    return choose(is_blank(texts), otherwise, texts)
