"""Following one person from the source to Moodle, in the API server's process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from moodle_coupling.errors import CouplingError, CouplingPaused
from moodle_coupling.hooks.pause import read_pause
from moodle_coupling.web.base.languages import say

if TYPE_CHECKING:
    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.ledger.people import Who
    from moodle_coupling.orchestration.explanation_steps import Trace
    from moodle_coupling.web.base.couplings import Coupling
    from moodle_coupling.words.sentence import Sentence

PAUSED: Final = say("Not explained: the environment is paused, and then no request of any kind goes to its Moodle.")


@dataclass(frozen=True, slots=True)
class Explained:
    """The five steps, or why there are none: ``paused``, or ``problem``."""

    trace: Trace | None = None
    paused: bool = False
    problem: Sentence | None = None


def explain(coupling: Coupling, person: str, ledger: Ledger) -> Explained:
    """Follow a person (a person id, extern id or idnumber); Moodle is only read."""
    from moodle_coupling.hooks.moodle.hook import MoodleHook
    from moodle_coupling.mapping.file import load_mapping
    from moodle_coupling.mapping.folder import find_mapping
    from moodle_coupling.orchestration.explanation import explain_person
    from moodle_coupling.settings import mappings_folder

    if is_paused(coupling):  # told at once, not after a long source was read
        return Explained(paused=True)
    try:
        path = find_mapping(coupling.name, mappings_folder())
        mapping = load_mapping(path)
        with MoodleHook(mapping.connection) as hook:
            return Explained(explain_person(mapping, path, person, hook, ledger=ledger))
    except CouplingPaused:
        return Explained(paused=True)
    except CouplingError as error:
        return Explained(problem=error.said)


def in_source(coupling: Coupling, who: Who) -> str:
    """Give the id of a person as a run may be asked for it and as it may be kept; '' where the source has nobody of that id.

    Raises SourceError and MappingError.
    """
    if not who.typed:
        return who.known_as
    from moodle_coupling.mapping.file import load_mapping
    from moodle_coupling.mapping.folder import find_mapping
    from moodle_coupling.orchestration.explanation import person_id_of
    from moodle_coupling.settings import mappings_folder

    path = find_mapping(coupling.name, mappings_folder())
    return person_id_of(load_mapping(path), path, who.known_as)


def is_paused(coupling: Coupling) -> bool:
    """Tell whether no request may go to a coupling's Moodle."""
    return bool(coupling.connection) and read_pause(coupling.connection) is not None
