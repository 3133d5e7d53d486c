"""What several sources say differently of one person, as reasons."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from moodle_coupling.contract.columns import SOURCES_DIFFER, SOURCES_DISAGREE
from moodle_coupling.people.arrow import is_blank, to_texts

if TYPE_CHECKING:
    from moodle_coupling.people.reasons import Reasons
    from moodle_coupling.people.table import Table


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
