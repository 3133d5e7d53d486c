"""Why a plan's row is not simply created or updated: the source's reasons and matching's own, as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from moodle_coupling.contract.verdicts import VERDICTS, Verdict
from moodle_coupling.matching.written import Notes, Pieces, embedded_all, of_each, quoted_codes
from moodle_coupling.people.arrow import equal, join, pa, pc, same_text, to_texts
from moodle_coupling.words.sentence import Sentence, text, with_sentences

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from moodle_coupling.people.arrow import Mask, Texts


# ---- Verdicts in the making: what is found of each person in scope, by place ----

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


# ---- Why a plan's row is not simply created or updated ----

_FIELD_OF: Final = {str(verdict): row.field for verdict, row in VERDICTS.items() if row.field is not None}


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: a rule's code or a verdict, the field that it is about ('' for none) and what it says."""

    code: str
    field: str
    said: Sentence


def reasons_of(written: str) -> list[Reason]:
    """Read the ``reasons`` of a plan's row; of a plan of before there were codes the message is the sentence."""
    return [
        Reason(one["code"], one["field"], one["said"] if "said" in one else text(one["message"]))
        for one in with_sentences(written or "[]")
    ]


@dataclass
class Reasons:
    """Reasons by row number of the plan, in the order in which they are added."""

    rows: int
    _pieces: Pieces = field(init=False)

    def __post_init__(self) -> None:
        self._pieces = Pieces(self.rows)

    def add(self, at: int, code: str, of_field: str, said: Sentence) -> None:
        """Add one reason to one row."""
        self.add_all(np.array([at]), code, of_field, of_each([said]))

    def add_all(self, at: NDArray[np.intp], code: str, of_field: str, said: Texts | str) -> None:
        """Add a reason to each of these rows; ``said`` are written sentences, or one for all."""
        given = embedded_all(said) if not isinstance(said, str) else said
        begin = f'{{"code": {json.dumps(code)}, "field": {json.dumps(of_field)}, "said": '
        if len(at):
            self._pieces.add(
                at, same_text(f"{begin}{given}}}", len(at)) if isinstance(given, str) else join(begin, given, "}")
            )

    def add_given(self, reasons: pd.DataFrame, at: NDArray[np.intp]) -> None:
        """Add the reasons of REASON_COLUMNS to the rows ``at``; those of one row by field, code and what they say."""
        if reasons.empty:
            return
        names = ("field", "code", "said")
        fields, codes, said = (to_texts(reasons[name]) for name in names)
        several = np.bincount(at)[at] > 1
        if several.any():
            table = pa.table({"at": at, "field": fields, "code": codes, "said": said})
            places = np.flatnonzero(several)
            keys = [(name, "ascending") for name in table.column_names]
            ordered = pc.sort_indices(table.take(pa.array(places)), sort_keys=keys).to_numpy()
            order = np.r_[np.flatnonzero(~several), places[ordered]]
            at = at[order]
            fields, codes, said = (texts.take(pa.array(order)) for texts in (fields, codes, said))
        written = ('{"code": ', quoted_codes(codes), ', "field": ', quoted_codes(fields), ', "said": ')
        self._pieces.add(at, join(*written, embedded_all(said), "}"))

    def add_verdicts(self, verdicts: NDArray[np.int8], evidence: Texts, shared: Texts) -> None:
        """Add the evidence of every verdict that keeps a person from being created or updated as it should."""
        for verdict, of_field in _FIELD_OF.items():
            at = np.flatnonzero(verdicts == VERDICT_CODES[verdict])
            if len(at):
                self.add_all(at, verdict, of_field, evidence.take(pa.array(at)))
        doubles = verdicts == VERDICT_CODES[Verdict.DUPLICATE_PERSON]
        for of_field in ("idnumber", "email"):
            at = np.flatnonzero(doubles & equal(shared, of_field)) if doubles.any() else np.flatnonzero(doubles)
            if len(at):
                self.add_all(at, Verdict.DUPLICATE_PERSON.value, of_field, evidence.take(pa.array(at)))

    def any(self) -> Mask:
        """Tell which rows have any reason."""
        return self._pieces.any()

    def texts(self) -> Texts:
        """Give the JSON arrays, one per row."""
        return self._pieces.between("[", "]")
