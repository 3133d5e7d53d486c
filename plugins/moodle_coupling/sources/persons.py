"""Persons frames of a source: what changed put into the last complete one, and some out of all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from moodle_coupling.contract.columns import FINDINGS, PERSON_COLUMNS, ROW
from moodle_coupling.sources.contract import ExtractCounts

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from moodle_coupling.sources.contract import Extract


_NOBODY: Final = -1
_BETWEEN: Final = "\x1f"
"""Between the parts of a key; it stands in no id."""


def completed(known: pd.DataFrame, found: Extract) -> Extract:
    """Return an extract of some persons with everyone else as they were known, see :func:`merge_changed`; it is complete."""
    persons = merge_changed(known, found.persons)
    was = found.counts
    others = was.left_out + was.blank + was.repeated
    counts = ExtractCounts(len(persons) + others, len(persons), was.left_out, was.blank, was.repeated)
    return replace(found, persons=persons, counts=counts, complete=True)


def merge_changed(known: pd.DataFrame, changed: pd.DataFrame) -> pd.DataFrame:
    """Return the last complete persons frame with the changed persons in it.

    A changed person takes the place, and the ``row``, of the known one with the same person_id, or else with the same
    extern_id and extern_source; who is not known gets the next free row. Where an id is there more than once, the
    first takes the place of the first, so that a double stays a double until everyone is read again.

    Whoever is gone from the source stays: only a complete read can tell.
    """
    known, changed = alike([known, changed])
    places = _places(known, changed)
    found = places != _NOBODY
    rows = known[ROW].to_numpy()
    first_free = int(rows.max()) + 1 if len(rows) else 1
    new_rows = np.empty(len(changed), dtype=np.int64)
    new_rows[found] = rows[places[found]]
    new_rows[~found] = np.arange(first_free, first_free + int((~found).sum()))
    stays = np.ones(len(known), dtype=bool)
    stays[places[found]] = False
    whole = pd.concat([known[stays], changed.assign(**{ROW: new_rows})])
    return whole.sort_values(ROW, kind="stable", ignore_index=True)


def alike(frames: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """Return persons frames with the columns of all: the declared ones, the free ones, and what was found."""
    names = dict.fromkeys(column.name for column in PERSON_COLUMNS)
    names |= dict.fromkeys(name for frame in frames for name in frame.columns if name not in FINDINGS)
    names |= dict.fromkeys(name for name in FINDINGS if any(name in frame.columns for frame in frames))
    return [_with_columns(frame, list(names)) for frame in frames]


def _with_columns(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    missing = {name: pd.Series("", index=frame.index, dtype="str") for name in names if name not in frame.columns}
    return frame.assign(**missing)[names]


def _places(known: pd.DataFrame, changed: pd.DataFrame) -> NDArray[np.int64]:
    """Return for each changed person the position of the known one whose place it takes, or -1."""
    places = np.full(len(changed), _NOBODY, dtype=np.int64)
    there, here = known["person_id"], changed["person_id"]
    _pair(there, here, places)
    # Two person ids are two persons, whatever their extern ids: those only count where a person id is missing.
    extern, extern_here = _extern_key(known), _extern_key(changed)
    _pair(extern.where(there == "", ""), extern_here, places)
    _pair(extern, extern_here.where(here == "", ""), places)
    _pair(_content_of_nameless(known), _content_of_nameless(changed), places)
    return places


def _pair(there: pd.Series, here: pd.Series, places: NDArray[np.int64]) -> None:
    """Give each open place of ``here`` the position in ``there`` with the same key, the first to the first; '' is no key."""
    taken = np.zeros(len(there), dtype=bool)
    taken[places[places != _NOBODY]] = True
    left = pd.DataFrame({"key": there.to_numpy(), "position": np.arange(len(there))})[(there != "").to_numpy() & ~taken]
    right = pd.DataFrame({"key": here.to_numpy(), "at": np.arange(len(here))})
    right = right[(here != "").to_numpy() & (places == _NOBODY)]
    for frame in (left, right):
        frame["nth"] = frame.groupby("key").cumcount()
    pairs = right.merge(left, on=["key", "nth"])
    places[pairs["at"].to_numpy()] = pairs["position"].to_numpy()


def _extern_key(persons: pd.DataFrame) -> pd.Series:
    key = persons["extern_id"] + _BETWEEN + persons["extern_source"]
    return key.where(persons["extern_id"] != "", "")


def _content_of_nameless(persons: pd.DataFrame) -> pd.Series:
    """Return all that is said of a person without any id, '' for the others: told twice, it is the same person."""
    nameless = (persons["person_id"] == "") & (persons["extern_id"] == "")
    content = pd.Series("", index=persons.index, dtype="str")
    some = persons.loc[nameless].drop(columns=ROW).astype("str")
    if len(some):
        content[nameless] = some.agg(_BETWEEN.join, axis=1)
    return content


def only(extract: Extract, ids: Collection[str]) -> Extract:
    """Return the extract with only the persons whose person_id or extern_id is one of ``ids``; it is not complete.

    ``counts.records`` stays consistent: persons that were not asked for were not read.
    """
    persons = extract.persons
    meant = persons["person_id"].isin(list(ids)) | persons["extern_id"].isin(list(ids))
    some = persons[meant].reset_index(drop=True)
    counts = replace(extract.counts, records=extract.counts.records - len(persons) + len(some), persons=len(some))
    return replace(extract, persons=some, counts=counts, complete=False)
