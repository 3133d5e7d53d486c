"""Collecting what is wrong with persons into the reasons frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from moodle_coupling.matching.frames import REASON_COLUMNS
from moodle_coupling.people.arrow import pa
from moodle_coupling.people.rules import RULE_BY_CODE, RULES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from moodle_coupling.people.arrow import Mask, Texts
    from moodle_coupling.people.rules import Rule

SHOWN: Final = 60
"""Characters of a value that a message shows."""
KEPT: Final = 300
"""Characters of a value that the frame keeps."""


class Reasons:
    """Findings about persons, gathered rule by rule. ``rows`` are the persons' keys, in the frame's order."""

    def __init__(self, rows: NDArray[np.int64]) -> None:
        self._rows = rows
        self._chunks: list[pd.DataFrame] = []

    def add(self, code: str, mask: Mask, values: Texts | None = None, field: str = "") -> None:
        """Note rule ``code`` for the persons of ``mask``; ``values`` are all persons' texts, '' when not given."""
        found = np.flatnonzero(mask)
        if not len(found):
            return
        rule = RULE_BY_CODE[code]
        field = field or rule.field
        texts = values.take(pa.array(found)).to_pylist() if values is not None else [""] * len(found)
        self._chunks.append(
            pd.DataFrame(
                {
                    "row": self._rows[found],
                    "code": code,
                    "field": field,
                    "value": [_cut(text, KEPT) for text in texts],
                    "message": _messages(f"{rule.message} {rule.mend}", rule, field, texts),
                    "message_nl": _messages(f"{rule.message_nl} {rule.mend_nl}", rule, field, texts),
                    "blocks": rule.blocks.value,
                }
            )
        )

    def frame(self, keep: Mask) -> pd.DataFrame:
        """Return the reasons frame for the persons of ``keep``, by person and then in the order of the rules."""
        if not self._chunks:
            return empty_reasons()
        frame = pd.concat(self._chunks, ignore_index=True)
        place = pd.Series(np.arange(len(self._rows)), index=self._rows)
        frame = frame[frame["row"].isin(self._rows[keep])]
        order = {rule.code: number for number, rule in enumerate(RULES)}
        keys = np.lexsort((frame["code"].map(order).to_numpy(), place.loc[frame["row"]].to_numpy()))
        texts: dict[str, Any] = dict.fromkeys(REASON_COLUMNS[1:], "str")
        return frame.iloc[keys].reset_index(drop=True).astype(texts)[list(REASON_COLUMNS)]


def empty_reasons() -> pd.DataFrame:
    """Return a reasons frame without rows, in the declared columns and dtypes."""
    return pd.DataFrame(
        {name: pd.Series([], dtype="int64" if name == "row" else "str") for name in REASON_COLUMNS},
    )


def _messages(template: str, rule: Rule, field: str, texts: list[str]) -> list[str]:
    if "{" not in template:
        return [template] * len(texts)
    return [template.format(value=_cut(text, SHOWN), field=field, length=len(text), limit=rule.limit) for text in texts]


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
