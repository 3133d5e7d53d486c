"""Why a plan's row is not simply created or updated: the source's reasons and matching's own, as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from moodle_coupling.contract.verdicts import VERDICTS, Verdict
from moodle_coupling.matching.judged import VERDICT_CODES
from moodle_coupling.matching.written import Pieces, embedded_all, of_each, quoted_codes
from moodle_coupling.people.arrow import equal, join, pa, pc, same_text, to_texts
from moodle_coupling.words.sentence import Sentence, text, with_sentences

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from moodle_coupling.people.arrow import Mask, Texts

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
