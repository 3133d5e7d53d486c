"""Verdicts in the making: what is found of each person in scope, by place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from moodle_coupling.contract.verdicts import Verdict
from moodle_coupling.matching.written import Notes
from moodle_coupling.people.arrow import pa, pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from moodle_coupling.people.arrow import Texts

_VERDICTS: Final = ("", *map(str, Verdict))
VERDICT_CODES: Final = {verdict: number for number, verdict in enumerate(_VERDICTS)}
"""Verdicts as numbers, while they are made; 0 is a person rejected before matching."""


def verdict_texts(codes: NDArray[np.int8]) -> Texts:
    """Give verdicts by their numbers."""
    return pa.array(_VERDICTS, type=pa.large_string()).take(pa.array(codes))


def verdict_numbers(texts: Texts) -> NDArray[np.int8]:
    """Give the numbers of verdicts."""
    found: NDArray[np.int8] = pc.index_in(texts, value_set=pa.array(_VERDICTS, type=pa.large_string())).to_numpy()
    return found.astype(np.int8)


class Judged:
    """What is found of each person: the columns of the match frame (matching/match.py).

    ``accounts`` are places, -1 for none. ``pointed``: places of accounts at which somebody points, in parts.
    """

    def __init__(self, persons: int) -> None:
        self.accounts: NDArray[np.intp] = np.full(persons, -1, dtype=np.intp)
        self.verdicts: NDArray[np.int8] = np.zeros(persons, dtype=np.int8)
        self.evidence = Notes(persons)
        self.other_accounts = Notes(persons, "[]")
        self.proposal = Notes(persons)
        self.shared_field = Notes(persons)
        self.may_link = np.zeros(persons, dtype=bool)
        self.email_kept = np.zeros(persons, dtype=bool)
        self.pointed: list[NDArray[np.intp]] = []

    def texts(self) -> dict[str, Texts]:
        """Give the text columns."""
        return {
            "verdict": verdict_texts(self.verdicts),
            "evidence": self.evidence.texts(),
            "other_accounts": self.other_accounts.texts(),
            "proposal": self.proposal.texts(),
            "shared_field": self.shared_field.texts(),
        }

    def who(self, *verdicts: Verdict) -> NDArray[np.bool_]:
        """Tell who has one of these verdicts."""
        return np.isin(self.verdicts, [VERDICT_CODES[verdict] for verdict in verdicts])


def grouped(keys: NDArray[np.intp], values: NDArray[np.intp]) -> dict[int, list[int]]:
    """Give the values of each key, both in the order in which they come."""
    found: dict[int, list[int]] = {}
    for key, value in zip(keys.tolist(), values.tolist(), strict=True):
        found.setdefault(key, []).append(value)
    return found


def listed_ids(ids: NDArray[np.int64], groups: dict[int, list[int]]) -> Texts:
    """Give the ids of each group of accounts, as JSON; the groups hold places."""
    return pa.array([str(ids[found].tolist()) for found in groups.values()], type=pa.large_string())
