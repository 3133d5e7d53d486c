"""Two mapping files with one connection: the environment that had it first goes on, the newcomer is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moodle_coupling.mapping.folder import shared_connections

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.mapping import Mapping
    from moodle_coupling.mapping.file import MappingFileError


def refuse_newcomer(ledger: Ledger, mapping: Mapping, folder: Path) -> None:
    """Note whose connection it is; raises MappingFileError where that is another mapping file of this folder."""
    from moodle_coupling.ledger.leases import claim

    shared = next((one for one in shared_connections(folder) if one.connection == mapping.connection), None)
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
