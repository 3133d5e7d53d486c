"""Persons of the source that share an idnumber or an e-mail address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from moodle_coupling.matching.compare import folded
from moodle_coupling.matching.evidence import labels, persons_listed, sentence

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMED: Final = 10
"""How many of the others a message names; a source with one idnumber for everyone would otherwise fill the disk."""


def find_duplicates(persons: pd.DataFrame, *, by_email: bool) -> pd.DataFrame:
    """Give the persons that share an idnumber or (``by_email``) an address: index as in persons, ``field``, ``evidence``.

    ``persons`` are those to match, with the columns of CANDIDATE_COLUMNS. Each sentence names the others.
    """
    found = _sharing(persons, persons["idnumber"], "idnumber")
    if by_email:
        emails = _sharing(persons, folded(persons["email"]), "email")
        both = found.index.intersection(emails.index)
        found.loc[both, "evidence"] = found.loc[both, "evidence"] + ", and " + emails.loc[both, "evidence"]
        found = pd.concat([found, emails.drop(index=both)])
    found["evidence"] = [sentence(text) for text in found["evidence"]]
    return found


def _sharing(persons: pd.DataFrame, keys: pd.Series[str], field: str) -> pd.DataFrame:
    sharing = keys[(keys != "") & keys.duplicated(keep=False)]
    names = labels(persons.loc[sharing.index])
    evidence: dict[int, str] = {}
    word = "e-mail" if field == "email" else field
    for key, group in names.groupby(sharing):
        for at, others in zip(group.index, _others(list(group)), strict=True):
            evidence[at] = f"{word} '{key}' is also that of {others}"
    frame = pd.DataFrame({"field": field}, index=sharing.index)
    frame["evidence"] = pd.Series(evidence, dtype="str").reindex(sharing.index)
    return frame


def _others(names: list[str]) -> Iterable[str]:
    """For each name the first ``NAMED`` others, and how many more there are."""
    for at in range(len(names)):
        few = [name for other, name in enumerate(names[: NAMED + 1]) if other != at][:NAMED]
        yield persons_listed(few, len(names) - 1 - len(few))
