"""A list of access: one row per person and target, read through the sources of persons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moodle_coupling.contract.frames import ACCESS_LIST
from moodle_coupling.people.table import empty
from moodle_coupling.sources.contract import Mode, Wanted
from moodle_coupling.sources.headings import plain_heading
from moodle_coupling.sources.kinds import open_settings

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import pandas as pd

    from moodle_coupling.hooks.coachview.budget import Sharing
    from moodle_coupling.mapping.access import AccessList
    from moodle_coupling.words.sentence import Sentence

_IDNUMBER: Final = "idnumber"


@dataclass(frozen=True)
class ListRead:
    """A list as read: ``rows`` (ACCESS_LIST, not cleaned); ``whole``: no line of it was left out."""

    rows: pd.DataFrame
    whole: bool
    warnings: tuple[Sentence, ...] = ()


def read_list(
    settings: AccessList, base: Path, sharing: Sharing | None = None, *, ids: Collection[str] = ()
) -> ListRead:
    """Read the whole of a list, or the rows of one person by the ids that he has; such rows are never to be taken for the list.

    ``base`` is the folder a relative path starts at, ``sharing`` where the count of a source's requests is.

    Columns that name the person are recognised by their usual headings too; one that is headed ID number names the idnumber.
    Raises SourceError, SourceUnavailable, CoachviewError: as a source of persons does.
    """
    columns = dict(settings.columns)
    # To a source of persons this is the extern id, which one of the two must be there.
    by_idnumber = _IDNUMBER in columns
    if by_idnumber:
        columns["extern_id"] = columns.pop(_IDNUMBER)
    wanted = Wanted(Mode.IDS if ids else Mode.FULL, ids=tuple(ids), sharing=sharing)
    found = open_settings(settings.model_copy(update={"columns": columns}), base).extract(wanted)
    by_idnumber = by_idnumber or plain_heading(found.headings.get("extern_id", "")) == _IDNUMBER
    persons = found.persons
    rows = empty(ACCESS_LIST).reindex(range(len(persons)))
    for name in ACCESS_LIST.texts:
        rows[name] = persons[name].to_numpy() if name in persons else ""
    rows["line"] = persons["row"].to_numpy()
    if by_idnumber:
        rows[_IDNUMBER], rows["extern_id"] = rows["extern_id"], ""
    return ListRead(rows.astype(ACCESS_LIST.dtypes), whole=not found.left_out, warnings=found.warnings)
