"""The folder of the mapping files: all of them read, one found by name, and which of them claim the same Moodle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from moodle_coupling.errors import MappingError
from moodle_coupling.mapping.checks import did_you_mean
from moodle_coupling.mapping.document import Problem
from moodle_coupling.mapping.file import SUFFIX, MappingFileError, load_mapping, mark_of, remains, shown
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from moodle_coupling.mapping.model import Mapping

OTHER_SUFFIX = ".yml"


def load_all(folder: Path) -> tuple[list[Mapping], list[MappingError]]:
    """Read every mapping file directly in a folder, by name; one bad file never hides the good ones.

    Files in folders below it and hidden files are passed over. Two files with the same connection are both given: which
    of them is refused is known from the ledger (:func:`moodle_coupling.orchestration.run.owner`).
    """
    mappings: list[Mapping] = []
    errors: list[MappingError] = []
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        said = Sentence("mapping.folder.unreadable", folder=shown(folder), why=str(error.strerror))
        return [], [MappingError(said)]
    for path in paths:
        if path.suffix == OTHER_SUFFIX:
            problem = Problem(1, 1, "", Sentence("mapping.folder.not_read", name=f"{path.stem}{SUFFIX}"))
            errors.append(MappingFileError(path, [problem]))
        elif path.suffix == SUFFIX:
            try:
                mappings.append(load_mapping(path))
            except MappingError as error:
                errors.append(error)
    return mappings, errors


@dataclass(frozen=True, slots=True)
class Shared:
    """A connection that several mapping files name, and the environments of those files, by name."""

    connection: str
    environments: tuple[str, ...]

    def error(self, folder: Path, environment: str, owner: str) -> MappingFileError:
        """Give the error of the file that is refused."""
        path = folder / f"{environment}{SUFFIX}"
        said = Sentence("mapping.folder.shared_connection", connection=self.connection, owner=owner)
        return MappingFileError(path, [Problem(*mark_of(path, "connection"), "connection", said)])


def shared_connections(folder: Path, connection: str = "") -> list[Shared]:
    """Give the connections that more than one file of a folder names, those of files that are wrong included.

    With ``connection`` only that one, if it is shared; files that cannot name it are not parsed.
    On a full run each of two environments with one Moodle would take the other's people for leavers.
    """
    claims: dict[str, list[str]] = {}
    try:
        paths = sorted(path for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith("."))
    except OSError:
        return []
    for path in paths:
        if connection and not _may_name(path, connection):
            continue
        named = remains(path).connection
        if named and connection in {"", named}:
            claims.setdefault(named, []).append(path.stem)
    return [Shared(named, tuple(names)) for named, names in claims.items() if len(names) > 1]


def _may_name(path: Path, connection: str) -> bool:
    """Tell whether a file holds a connection's name, or a text in which it may be written otherwise (YAML's escapes, UTF-16)."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return connection.encode() in content or b"\\" in content or b"\0" in content


def find_mapping(name_or_path: str | Path, folder: Path) -> Path:
    """Give the file that is meant by an environment's name or by a path.

    A path is anything with a folder or an ending in it; it starts at the working directory, else at ``folder``.

    Raises MappingError when there is no such file, with the names that there are.
    """
    given = Path(name_or_path)
    if given.suffix in {SUFFIX, OTHER_SUFFIX} or len(given.parts) > 1:
        candidates = [given, folder / given]
    else:
        candidates = [folder / f"{given}{SUFFIX}"]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    names = sorted(path.stem for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith("."))
    hint = did_you_mean(given.stem, names)
    if names and not hint:
        hint = Sentence("mapping.folder.no_such_file.there_are", names=", ".join(names))
    tried = " and ".join(map(shown, candidates))
    raise MappingError(Sentence("mapping.folder.no_such_file", name=str(name_or_path), tried=tried, hint=hint))
