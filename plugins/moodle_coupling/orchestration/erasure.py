"""Forgetting persons on behalf of someone who asks for it: in the ledger, and in every file of the staging area."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from moodle_coupling import settings
from moodle_coupling.contract.columns import EMAIL_COLUMNS
from moodle_coupling.contract.frames import ACCESS_PLAN
from moodle_coupling.errors import InputError
from moodle_coupling.ledger.approvals import waiting
from moodle_coupling.ledger.leases import holder_of
from moodle_coupling.ledger.removal import Forgotten, PersonIds, Traces, forget_person, traces_of
from moodle_coupling.orchestration import staging
from moodle_coupling.orchestration.access import CSV_FILE, spreadsheet
from moodle_coupling.orchestration.explanation_steps import heading_of
from moodle_coupling.words.sentence import Sentence, Texts, language_codes

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from airflow.sdk import ObjectStoragePath

    from moodle_coupling.ledger.ledger import Ledger

_KEYS = ("person_id", "extern_id", "idnumber")
_MOST = 1000
_PARQUET: Final = ".parquet"


def forget(ledger: Ledger, environment: str | None, asked: str, environments: Iterable[str]) -> tuple[Forgotten, int]:
    """Forget one person, known by a person id, extern id, idnumber or e-mail address, in one environment or (None) in all.

    The files of ``environments`` forget the person too; gives how many rows of the ledger and of files told who it was.
    Raises InputError when the ledger knows several persons by that id: one person's person id may be another's extern
    id, and what is forgotten does not come back.
    """
    wanted = asked.strip()
    if not wanted:
        raise InputError(Sentence("forget.nobody_named"))
    people = _known(ledger, environment, wanted)
    persons = sorted({person for person, _, _ in people if person})
    theirs = {idnumber for person, idnumber, _ in people if person}
    others = sorted({idnumber for person, idnumber, _ in people if not person and idnumber not in theirs})
    if len(persons) + len(others) > 1:
        several = [*persons, *(Sentence("forget.idnumber", idnumber=idnumber) for idnumber in others)]
        raise InputError(Sentence("forget.several", id=wanted, persons=several))
    ids = PersonIds(
        person_ids=tuple(persons) or (wanted,),
        idnumbers=tuple(sorted({idnumber for _, idnumber, _ in people if idnumber})) or (wanted,),
        emails=(wanted,) if "@" in wanted else (),
        extern_ids=tuple(sorted({extern for _, _, extern in people if extern})) or (wanted,),
    )
    traces = traces_of(ledger, environment, ids)
    in_files = sum(_forget_files(name, traces) for name in environments)
    return forget_person(ledger, environment, ids), in_files


def _forget_files(environment: str, traces: Traces) -> int:
    """Take a person out of every file that runs of an environment left in the staging area; gives how many rows told of them."""
    root = staging.staging_root() / environment
    folders = [folder for folder in root.iterdir() if folder.is_dir()] if root.exists() else []
    taken = 0
    while folders:
        for file in folders.pop().iterdir():
            if file.is_dir():
                folders.append(file)
            elif file.name.endswith(_PARQUET):
                taken += _forget_frame(file, traces)
            else:
                taken += _forget_text(file, traces, environment)
    return taken


def _forget_frame(file: ObjectStoragePath, traces: Traces) -> int:
    name = file.name.removesuffix(_PARQUET)
    frame = staging.read_frame(file.parent, name, checked=False)
    theirs = _rows_of(frame, traces.ids)
    kept, mentions = frame[~theirs], 0
    pattern = "|".join(map(re.escape, traces.texts))
    for column in kept.select_dtypes(["string", "object"]) if pattern else ():
        texts = kept[column].astype("str")
        told = texts.str.contains(pattern, case=False)
        if told.any():
            kept = kept.assign(**{str(column): kept[column].where(~told, texts.map(traces.taken_out))})
            mentions += int(told.sum())
    if theirs.any() or mentions:
        staging.write_frame(file.parent, name, kept)
        if name == ACCESS_PLAN.name:
            staging.write_text(file.parent, CSV_FILE, spreadsheet(kept, settings.texts()))
    return int(theirs.sum()) + mentions


def _rows_of(frame: pd.DataFrame, ids: PersonIds) -> pd.Series[bool]:
    """Tell which rows are about the person: by the person id or, where no row has that, by any other id or address.

    A row with the person's idnumber or address and another person id is somebody else's.
    """
    import pandas as pd

    nothing = pd.Series(data=False, index=frame.index)
    theirs = frame["person_id"].isin(ids.person_ids) if "person_id" in frame else nothing
    mine = theirs | (frame["person_id"] == "") if theirs.any() else ~nothing
    for column, values in (("extern_id", ids.extern_ids), ("idnumber", ids.idnumbers)):
        if column in frame:
            theirs |= frame[column].isin(values) & mine
    for column in frame.columns.intersection(["email", *EMAIL_COLUMNS]):
        theirs |= frame[column].astype("str").str.lower().isin(ids.emails) & mine
    return theirs


def _forget_text(file: ObjectStoragePath, traces: Traces, environment: str) -> int:
    text = file.read_bytes().decode("utf-8", errors="replace")
    kept = _without_their_trace(text, traces.ids, environment) if file.name == staging.TRACES else text
    without = traces.taken_out(kept)
    if without == text:
        return 0
    staging.write_text(file.parent, file.name, without)
    return 1


def _without_their_trace(text: str, ids: PersonIds, environment: str) -> str:
    """Leave out the whole of what was told, step by step, about the person, in whichever language it was told."""
    persons = {*ids.person_ids, *ids.extern_ids, *ids.idnumbers}
    theirs = {Texts(one).say(heading_of(id_, environment)) for one in language_codes() for id_ in persons}
    return "\n\n".join(part for part in text.split("\n\n") if part.partition("\n")[0] not in theirs)


def refuse_while_writing(ledger: Ledger, environments: Iterable[str]) -> None:
    """Refuse to forget while a run writes or waits: its outcomes would bring the person back. Raises InputError."""
    for environment in environments:
        busy = holder_of(ledger, environment)
        if busy is not None:
            raise InputError(Sentence("forget.busy", run=busy.holder, environment=environment))
        if waiting(ledger, environment):
            raise InputError(Sentence("forget.plan_waits", environment=environment))


def counted(forgotten: Forgotten, in_files: int) -> Sentence:
    """Say how much was forgotten, in the ledger and in files."""
    return Sentence("forget.counted", **asdict(forgotten), files=in_files)


def _known(ledger: Ledger, environment: str | None, wanted: str) -> set[tuple[str, str, str]]:
    """Give the person ids, idnumbers and extern ids that go with exactly this id or address."""
    from moodle_coupling.ledger.people import find_people

    found = find_people(ledger, wanted, limit=_MOST)
    if environment is not None:
        found = found[found["environment"] == environment]
    exact = found["email"].str.lower() == wanted.lower()
    for name in _KEYS:
        exact |= found[name] == wanted
    some = found[exact]
    by_person = some[some["person_id"] == wanted]
    # A person id goes before the others, as it does wherever an id is asked for.
    some = some if by_person.empty else by_person
    return set(zip(some["person_id"], some["idnumber"], some["extern_id"], strict=True))
