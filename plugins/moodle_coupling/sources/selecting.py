"""Some persons out of an extract."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from moodle_coupling.sources.extract import Extract


def only(extract: Extract, ids: Collection[str]) -> Extract:
    """Return the extract with only the persons whose person_id or extern_id is one of ``ids``; it is not complete.

    ``counts.records`` stays consistent: persons that were not asked for were not read.
    """
    persons = extract.persons
    meant = persons["person_id"].isin(list(ids)) | persons["extern_id"].isin(list(ids))
    some = persons[meant].reset_index(drop=True)
    counts = replace(extract.counts, records=extract.counts.records - len(persons) + len(some), persons=len(some))
    return replace(extract, persons=some, counts=counts, complete=False)
