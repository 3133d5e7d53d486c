"""Collecting what is wrong with persons into the reasons frame."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from moodle_coupling.contract.columns import SOURCES_DIFFER, SOURCES_DISAGREE
from moodle_coupling.contract.frames import REASONS
from moodle_coupling.people.arrow import is_blank, pa, to_texts
from moodle_coupling.people.rules import RULE_BY_CODE, RULES
from moodle_coupling.people.table import empty
from moodle_coupling.words.sentence import Sentence, in_turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from moodle_coupling.people.arrow import Mask, Texts
    from moodle_coupling.people.rules import Blocks
    from moodle_coupling.people.table import Table

KEPT: Final = 300
"""Characters of a value that the frame keeps, or as many as the rule's sentence shows."""


class Reasons:
    """Findings about persons, gathered rule by rule.

    ``rows`` are the persons' keys, in the frame's order; only of the persons of ``keep`` anything is noted.
    """

    def __init__(self, rows: NDArray[np.int64], keep: Mask) -> None:
        self._rows = rows
        self._keep = keep
        self._chunks: list[pd.DataFrame] = []
        self._places: list[NDArray[np.intp]] = []

    def add(  # each is a fact of its own
        self,
        code: str,
        mask: Mask,
        values: Texts | None = None,
        field: str = "",
        *,
        blocks: Blocks | None = None,
        likeliest: Callable[[str], str] | None = None,
    ) -> None:
        """Note rule ``code`` for the persons of ``mask``; ``values`` are all persons' texts, '' when not given.

        ``blocks`` is what it stops in this field, where that is more than the rule says; ``likeliest`` gives what was probably
        meant by a value, where only this field tells.
        """
        found = np.flatnonzero(mask & self._keep)
        if not len(found):
            return
        rule = RULE_BY_CODE[code]
        field = field or rule.field
        texts = values.take(pa.array(found)).to_pylist() if values is not None else [""] * len(found)
        guess = likeliest or rule.likeliest
        said = {text: sentence_of(code, field, text, guess(text) if guess else "").written() for text in set(texts)}
        longest = max(KEPT, rule.shown)
        self._places.append(found)
        self._chunks.append(
            pd.DataFrame(
                {
                    "row": self._rows[found],
                    "code": pd.Series(code, index=range(len(found)), dtype="str"),
                    "field": pd.Series(field, index=range(len(found)), dtype="str"),
                    "value": pd.Series([_cut(text, longest) for text in texts], dtype="str"),
                    "said": pd.Series([said[text] for text in texts], dtype="str"),
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


def sentence_of(code: str, field: str, text: str, likely: str = "") -> Sentence:
    """Give what rule ``code`` says of a text in a field, and how to mend it; ``likely`` is what was probably meant."""
    rule = RULE_BY_CODE[code]
    filled: dict[str, str | int] = {"value": _cut(text, rule.shown), "field": field}
    if rule.limit:
        filled |= {"length": len(text), "limit": rule.limit}
    said = [Sentence(f"rule.{code}", **filled), Sentence(f"rule.{code}.mend", **filled)]
    return in_turn([*said, Sentence("rule.likely", likely=likely)] if likely else said)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def note_sources(table: Table, reasons: Reasons) -> None:
    """Note who the sources do not agree on, and each field on which they differ."""
    if table.has(SOURCES_DISAGREE):
        said = table.texts(SOURCES_DISAGREE)
        reasons.add("sources_disagree", ~is_blank(said), said)
    if not table.has(SOURCES_DIFFER):
        return
    by_field: dict[str, dict[int, str]] = {}
    texts = table.texts(SOURCES_DIFFER)
    for place in np.flatnonzero(~is_blank(texts)):
        for field, said in json.loads(texts[int(place)].as_py()).items():
            by_field.setdefault(field, {})[int(place)] = said
    for field, found in by_field.items():
        mask = np.zeros(len(table), dtype=bool)
        mask[list(found)] = True
        values = [found.get(place, "") for place in range(len(table))]
        reasons.add("sources_differ", mask, to_texts(values), field)
