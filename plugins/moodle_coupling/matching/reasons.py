"""Why a plan's row is not simply created or updated: the source's reasons and matching's own, as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from moodle_coupling.contract.verdicts import VERDICTS, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

_FIELD_OF: Final = {str(verdict): row.field for verdict, row in VERDICTS.items() if row.field is not None}


@dataclass
class Reasons:
    """Reasons by row number of the plan, in the order in which they are added."""

    rows: int
    _by_row: dict[int, list[dict[str, str]]] = field(default_factory=dict)

    def add(self, at: int, code: str, of_field: str, message: str) -> None:
        """Add one reason to one row."""
        self._by_row.setdefault(at, []).append({"code": code, "field": of_field, "message": message})

    def add_given(self, reasons: pd.DataFrame) -> None:
        """Add the reasons of REASON_COLUMNS, with the plan's row number in ``at``."""
        some = reasons.sort_values(["at", "field", "code", "message"], kind="stable")
        for at, code, of_field, text in zip(some["at"], some["code"], some["field"], some["message"], strict=True):
            self.add(int(at), code, of_field, text)

    def add_verdicts(self, verdicts: Iterable[str], evidence: Iterable[str], shared: Iterable[str]) -> None:
        """Add the evidence of every verdict that keeps a person from being created or updated as it should."""
        for at, (verdict, text, shared_field) in enumerate(zip(verdicts, evidence, shared, strict=True)):
            if verdict == Verdict.DUPLICATE_PERSON:
                self.add(at, verdict, shared_field, text)
            elif verdict in _FIELD_OF:
                self.add(at, verdict, _FIELD_OF[verdict], text)

    def has(self, at: int) -> bool:
        """Tell whether the row has any reason."""
        return at in self._by_row

    def texts(self) -> list[str]:
        """Give the JSON arrays, one per row."""
        return [
            json.dumps(self._by_row[at], ensure_ascii=False) if at in self._by_row else "[]" for at in range(self.rows)
        ]
