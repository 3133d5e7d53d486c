"""Why a plan's row is not simply created or updated: the source's reasons and matching's own, as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from moodle_coupling.contract.verdicts import VERDICTS, Verdict
from moodle_coupling.words.sentence import Sentence, embedded, text, with_sentences

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

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
    _by_row: dict[int, list[str]] = field(default_factory=dict)

    def add(self, at: int, code: str, of_field: str, said: Sentence | str) -> None:
        """Add one reason to one row; ``said`` is a sentence, or one that is written."""
        written = said.written() if isinstance(said, Sentence) else embedded(said)
        reason = f'{{"code": {json.dumps(code)}, "field": {json.dumps(of_field)}, "said": {written}}}'
        self._by_row.setdefault(at, []).append(reason)

    def add_given(self, reasons: pd.DataFrame) -> None:
        """Add the reasons of REASON_COLUMNS, with the plan's row number in ``at``."""
        some = reasons.sort_values(["at", "field", "code", "said"], kind="stable")
        for at, code, of_field, said in zip(some["at"], some["code"], some["field"], some["said"], strict=True):
            self.add(int(at), code, of_field, said)

    def add_verdicts(self, verdicts: Iterable[str], evidence: Iterable[str], shared: Iterable[str]) -> None:
        """Add the evidence of every verdict that keeps a person from being created or updated as it should."""
        for at, (verdict, written, shared_field) in enumerate(zip(verdicts, evidence, shared, strict=True)):
            if verdict == Verdict.DUPLICATE_PERSON:
                self.add(at, verdict, shared_field, written)
            elif verdict in _FIELD_OF:
                self.add(at, verdict, _FIELD_OF[verdict], written)

    def has(self, at: int) -> bool:
        """Tell whether the row has any reason."""
        return at in self._by_row

    def texts(self) -> list[str]:
        """Give the JSON arrays, one per row."""
        return [f"[{', '.join(self._by_row[at])}]" if at in self._by_row else "[]" for at in range(self.rows)]
