"""Fingerprints: a short name for everything of a person that could be written or judged, so that no change means no work."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from moodle_coupling.people.arrow import choose, join, pc, same_text, to_texts

if TYPE_CHECKING:
    from moodle_coupling.mapping import Mapping
    from moodle_coupling.people.arrow import Texts

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
