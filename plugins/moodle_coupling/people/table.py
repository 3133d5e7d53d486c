"""The persons frame as cleaned Arrow columns, and columns asked for by a mapping's key."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from moodle_coupling.contract.columns import PERSON_COLUMNS, ROW
from moodle_coupling.errors import InputError, MappingError
from moodle_coupling.mapping.checks import did_you_mean
from moodle_coupling.people.arrow import choose, is_blank, join, pc, same_text, to_texts
from moodle_coupling.people.cleaning import clean_texts, damaged
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from moodle_coupling.contract.frames import Frame
    from moodle_coupling.mapping import Mapping
    from moodle_coupling.people.arrow import Mask, Texts


# ---- Fingerprints: a short name for everything of a person that could be written or judged, so that no change means no
# work.

NOT_WRITTEN: Final = frozenset({"title", "source", "snapshot", "schedule", "limits", "safeguards", "access", "notify"})
"""Parts of a mapping that decide nothing about what is written to a person's account: where the persons come from shows
in their values."""

_LATER: Final = ("missing_names",)

_KEYS: Final = frozenset({"row", "person_id", "extern_id"})
"""Not in a fingerprint: a line number says nothing of the person, and the ids that count are idnumber and other_id."""

_SEPARATOR: Final = "\x1f"
_VERSION: Final = "1"
"""Raised when the program comes to write something else for the same values, so that everyone is looked at once."""


def fingerprints(candidates: pd.DataFrame, mapping: Mapping, reasons: pd.DataFrame | None = None) -> pd.Series[str]:
    """Give 32 hexadecimal digits per candidate, on the index of ``candidates``.

    Equal as long as the candidate, its reasons and what the mapping makes of them are; the same in every process and on
    every machine, whatever the order of rows and columns. ``reasons`` (REASON_COLUMNS) tell an empty value from one that
    could not be used, which are written differently.
    """
    names = sorted(str(name) for name in candidates.columns if name not in _KEYS)
    parts = [_escaped(_texts(candidates[name])) for name in names]
    parts.append(_escaped(_remarks(candidates, reasons)))
    rows = join(*parts, by=_SEPARATOR).to_pylist()
    salt = _digest_of(mapping, names)
    found = [hashlib.blake2b(text.encode(), digest_size=16, person=salt).hexdigest() for text in rows]
    return pd.Series(found, index=candidates.index, dtype="str")


def _digest_of(mapping: Mapping, names: list[str]) -> bytes:
    # Sorted keys, for a dict's order is that of the file; a list's order may matter and stays.
    # A key that came later says nothing until it is used, so that a new version does not look at everyone again.
    unsaid = {name for name in _LATER if not getattr(mapping, name)}
    said = mapping.model_dump(mode="json", exclude={*NOT_WRITTEN, *unsaid})
    text = json.dumps([_VERSION, names, said], sort_keys=True, ensure_ascii=True)
    return hashlib.blake2b(text.encode("ascii"), digest_size=16).digest()


def _texts(values: pd.Series[Any]) -> Texts:
    if pd.api.types.is_bool_dtype(values.dtype):
        return choose(values.to_numpy(dtype=bool), same_text("1", len(values)), same_text("0", len(values)))
    return to_texts(values)


def _escaped(texts: Texts) -> Texts:
    """Give texts without the separator, no two the same that were not: 'a' and 'b|c' must not read as 'a|b' and 'c'."""
    for letter, written in (("\\", "\\\\"), (_SEPARATOR, "\\s")):
        if pc.any(pc.match_substring(texts, letter)).as_py():
            texts = pc.replace_substring(texts, letter, written)
    return texts


def _remarks(candidates: pd.DataFrame, reasons: pd.DataFrame | None) -> Texts:
    """Give what was wrong with each candidate: which rule on which field, not the value, which is not written."""
    if reasons is None or reasons.empty:
        return same_text("", len(candidates))
    some = reasons.assign(remark=reasons["field"] + ":" + reasons["code"] + ":" + reasons["blocks"])
    by_row = (
        some.drop_duplicates(["row", "remark"]).sort_values(["row", "remark"]).groupby("row")["remark"].agg(",".join)
    )
    return to_texts(candidates["row"].map(by_row).fillna("").astype("str"))


# ---- The persons frame as cleaned Arrow columns ----


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
