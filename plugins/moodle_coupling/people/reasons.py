"""Collecting what is wrong with persons into the reasons frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from moodle_coupling.contract.frames import REASONS
from moodle_coupling.people.arrow import pa
from moodle_coupling.people.frames import empty
from moodle_coupling.people.rules import RULE_BY_CODE, RULES
from moodle_coupling.words.catalogue import ENGLISH
from moodle_coupling.words.catalogue import Texts as Language

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from moodle_coupling.people.arrow import Mask, Texts
    from moodle_coupling.people.rules import Blocks, Rule

KEPT: Final = 300
"""Characters of a value that the frame keeps."""


class Reasons:
    """Findings about persons, gathered rule by rule.

    ``rows`` are the persons' keys, in the frame's order; only of the persons of ``keep`` anything is noted.
    """

    def __init__(self, rows: NDArray[np.int64], keep: Mask) -> None:
        self._rows = rows
        self._keep = keep
        self._chunks: list[pd.DataFrame] = []
        self._places: list[NDArray[np.intp]] = []

    def add(
        self, code: str, mask: Mask, values: Texts | None = None, field: str = "", *, blocks: Blocks | None = None
    ) -> None:
        """Note rule ``code`` for the persons of ``mask``; ``values`` are all persons' texts, '' when not given.

        ``blocks`` is what it stops in this field, where that is more than the rule says.
        """
        found = np.flatnonzero(mask & self._keep)
        if not len(found):
            return
        rule = RULE_BY_CODE[code]
        field = field or rule.field
        texts = values.take(pa.array(found)).to_pylist() if values is not None else [""] * len(found)
        said = {text: _say(rule, field, text) for text in set(texts)}
        kept, message, message_nl = zip(*(said[text] for text in texts), strict=True)
        self._places.append(found)
        self._chunks.append(
            pd.DataFrame(
                {
                    "row": self._rows[found],
                    "code": pd.Series(code, index=range(len(found)), dtype="str"),
                    "field": pd.Series(field, index=range(len(found)), dtype="str"),
                    "value": pd.Series(kept, dtype="str"),
                    "message": pd.Series(message, dtype="str"),
                    "message_nl": pd.Series(message_nl, dtype="str"),
                    "blocks": pd.Series((blocks or rule.blocks).value, index=range(len(found)), dtype="str"),
                }
            )
        )

    def frame(self) -> pd.DataFrame:
        """Return the reasons frame, by person in the persons' order and then in the order of the rules."""
        if not self._chunks:
            return empty(REASONS)
        frame = pd.concat(self._chunks, ignore_index=True)
        order = {rule.code: number for number, rule in enumerate(RULES)}
        ranks = [np.full(len(chunk), order[chunk["code"].iloc[0]]) for chunk in self._chunks]
        keys = np.lexsort((np.concatenate(ranks), np.concatenate(self._places)))
        return frame.iloc[keys].reset_index(drop=True)[list(REASONS.names)]


def _say(rule: Rule, field: str, text: str) -> tuple[str, str, str]:
    """Return the value as the frame keeps it, and the rule's two messages about it."""
    likely = rule.likeliest(text) if rule.likeliest else ""
    hint, hint_nl = (f" Did you mean '{likely}'?", f" Wordt '{likely}' bedoeld?") if likely else ("", "")
    filled = {"value": _cut(text, rule.shown), "field": field, "length": len(text), "limit": rule.limit}
    return (
        _cut(text, KEPT),
        _in(ENGLISH, rule, filled) + hint,
        _in(Language("nl"), rule, filled) + hint_nl,
    )


def _in(texts: Language, rule: Rule, filled: dict[str, Any]) -> str:
    return f"{texts(f'rule.{rule.code}', **filled)} {texts(f'rule.{rule.code}.mend', **filled)}"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
