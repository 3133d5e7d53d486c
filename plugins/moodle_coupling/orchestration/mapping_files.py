"""The mapping files of a folder: checked beforehand, and whose connection it is where two of them name one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moodle_coupling.mapping.file import SUFFIX
from moodle_coupling.mapping.folder import load_all, shared_connections
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.mapping import Mapping
    from moodle_coupling.mapping.file import MappingFileError
    from moodle_coupling.words.sentence import Texts


def refuse_newcomer(ledger: Ledger, mapping: Mapping, folder: Path) -> None:
    """Note whose connection it is; raises MappingFileError where that is another mapping file of this folder."""
    from moodle_coupling.ledger.leases import claim

    shared = next(iter(shared_connections(folder, mapping.connection)), None)
    owner = claim(ledger, mapping.connection, shared.environments if shared else (mapping.environment,))
    if shared and owner != mapping.environment:
        raise shared.error(folder, mapping.environment, owner)


def refused(ledger: Ledger | None, folder: Path) -> dict[str, MappingFileError]:
    """Give the environments that are refused, each with its error; without a ledger the first by name counts as the owner."""
    from moodle_coupling.ledger.leases import owner_of

    found: dict[str, MappingFileError] = {}
    for shared in shared_connections(folder):
        names = shared.environments
        owner = owner_of(ledger, shared.connection, names) if ledger is not None else min(names)
        found |= {name: shared.error(folder, name, owner) for name in names if name != owner}
    return found


def validated(given: Path, ledger: Ledger | None, texts: Texts) -> tuple[list[str], bool]:
    """Give a table of the mapping files with what is wrong below it, and whether all is right.

    ``given`` is a folder, or one mapping file of it. Whose connection it is where two files name one is known from the
    ledger; without one the first by name counts.
    """
    folder = given if given.is_dir() else given.parent
    mappings, errors = load_all(folder)
    wrong = {error.path.name if error.path else "": texts.say(error.said) for error in errors}
    for name, refusal in refused(ledger, folder).items():
        wrong[f"{name}{SUFFIX}"] = "\n".join(filter(None, (wrong.get(f"{name}{SUFFIX}"), texts.say(refusal.said))))
    known = {f"{one.environment}{SUFFIX}": one for one in mappings}
    files = sorted(wrong.keys() | known.keys())
    if not given.is_dir():
        files = [name for name in files if name == given.name]
    if not files:
        return [texts.say(Sentence("commands.no_mappings", folder=str(given)))], given.is_dir()
    return _table(files, known, wrong, texts), not wrong.keys() & set(files)


def _table(files: list[str], known: dict[str, Mapping], wrong: dict[str, str], texts: Texts) -> list[str]:
    word = {
        name: texts.say(Sentence(f"validate.{name}"))
        for name in ("file", "connection", "provision", "reconcile", "is", "right", "wrong", "by_hand")
    }
    rows = [tuple(word[name] for name in ("file", "connection", "provision", "reconcile", "is"))]
    for name in files:
        one = known.get(name)
        is_right = word["wrong" if name in wrong else "right"]
        schedules = (one.schedule.provision, one.schedule.reconcile) if one else ("", "")
        times = (schedule or word["by_hand"] for schedule in schedules) if one else schedules
        rows.append((name, one.connection if one else "", *times, is_right))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    bad = [name for name in files if name in wrong]
    told = [line for name in bad for line in wrong[name].splitlines()]
    count = texts.say(Sentence("validate.count", n=len(files), wrong=len(bad)))
    return [*lines, "", *told, *([""] if told else []), count]
