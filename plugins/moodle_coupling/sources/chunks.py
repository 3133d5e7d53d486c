"""Rows of a database or a Parquet file, chunk by chunk into records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from moodle_coupling.people.arrow import is_blank, pa
from moodle_coupling.sources.headings import ID_COLUMNS
from moodle_coupling.sources.texts import as_texts, with_nul

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moodle_coupling.people.arrow import Mask, Texts
    from moodle_coupling.sources.records import Records


def add_chunk(records: Records, first: int, columns: Mapping[str, Any]) -> None:
    """Take rows as columns of values by our names; ``first`` is the number (1-based) of the first of them.

    A row with a value that is no text is left out with its reason; a row without any text is counted as blank.
    """
    converted = {name: as_texts(values) for name, values in columns.items()}
    texts = {name: each.texts for name, each in converted.items()}
    keep = np.ones(len(next(iter(texts.values()))), dtype=bool)
    for name, each in converted.items():
        for position in each.unfit:
            _leave_out(records, keep, position, first, _no_text(records, name, texts, position))
        for position in with_nul(each.texts):
            _leave_out(records, keep, position, first, _nul(records, name, texts, position))
    blank = np.logical_and.reduce([is_blank(each) for each in texts.values()]) & keep
    records.blank += int(blank.sum())
    keep &= ~blank
    rows = np.arange(first, first + len(keep), dtype=np.int64)
    if not keep.all():
        texts = {name: each.filter(pa.array(keep)) for name, each in texts.items()}
    records.add_columns(rows[keep], texts)


def _leave_out(records: Records, keep: Mask, position: int, first: int, why: tuple[str, str, str]) -> None:
    if keep[position]:
        keep[position] = False
        code, message, message_nl = why
        row = first + position
        records.leave_out(row, code, f"Row {row} {message}", f"Rij {row} {message_nl}")


def _no_text(records: Records, name: str, texts: Mapping[str, Texts], position: int) -> tuple[str, str, str]:
    heading, who, who_nl = records.headings.texts[name], *_who(texts, position)
    return (
        "not_text",
        f"{who}holds bytes in '{heading}' that are no text in UTF-8. Correct it in the source.",
        f"{who_nl}bevat bytes in '{heading}' die geen tekst in UTF-8 zijn. Verbeter die in de bron.",
    )


def _nul(records: Records, name: str, texts: Mapping[str, Texts], position: int) -> tuple[str, str, str]:
    heading, who, who_nl = records.headings.texts[name], *_who(texts, position)
    return (
        "nul_byte",
        f"{who}holds a NUL byte in '{heading}': the text is damaged. Correct it in the source.",
        f"{who_nl}bevat een NUL-byte in '{heading}': de tekst is beschadigd. Verbeter die in de bron.",
    )


def _who(texts: Mapping[str, Texts], position: int) -> tuple[str, str]:
    ids = (texts[name][position].as_py() for name in ID_COLUMNS if name in texts)
    found = next((id_ for id_ in ids if id_ and "\0" not in id_), "")
    return (f"(id {found}) ", f"(id {found}) ") if found else ("", "")
