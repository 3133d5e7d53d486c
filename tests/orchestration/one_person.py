"""A small coupling for tests about single persons: a source, a mapping file, a ledger, and a hook without Airflow."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.coupling import HEADINGS, MAPPING

from moodle_coupling.hooks.moodle.connection import MoodleSettings
from moodle_coupling.hooks.moodle.hook import MoodleHook
from moodle_coupling.ledger import schema
from moodle_coupling.ledger.ledger import Ledger, open_ledger
from moodle_coupling.mapping.file import load_mapping
from moodle_coupling.orchestration.explanation import explain_person
from moodle_coupling.orchestration.load import writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from moodle_coupling.orchestration.explanation_steps import Step, Trace
    from moodle_coupling.sandbox.moodle import SandboxMoodle

MORE = """\
  lang: {column: lang, default: en}
scope:
  include:
    - {column: categories, any_of: [Cursist]}
"""
PERSONS = [
    # PersonId, ExternId, Voornaam, Tussenvoegsel, Achternaam, E-mail, Plaats, Categorie, Inactief, Taal
    ("1", "CV-1", "Zoë", "van der", "Meer", "zoe@example.org", "Utrecht", "Cursist", "nee", ""),
    ("2", "CV-2", "Jan", "", "Jansen", "jan2@example.org", "Zwolle", "Cursist", "nee", "en"),
    ("3", "CV-3", "Jan", "", "Jansen", "jan3@example.org", "Zwolle", "Cursist", "nee", ""),
    ("4", "CV-4", "", "", "Bakker", "bakker@example.org", "Ede", "Cursist", "nee", ""),
    ("5", "CV-5", "Piet", "", "Smit", "smit@example.org", "Ede", "Cursist", "nee", ""),
    ("6", "CV-6", "Eva", "", "Vos", "eva@example.org", "Ede", "Docent", "nee", ""),
    ("7", "CV-7", "Ali", "", "Kaya", "ali@example.org", "Ede", "Cursist", "ja", ""),
    ("8", "CV-8", "Ien", "", "Bos", "ien@example.org", "Ede", "Cursist", "nee", ""),
    ("9", "CV-8", "Ton", "", "Bos", "ton@example.org", "Ede", "Cursist", "nee", ""),
]


@dataclass
class OnePerson:
    """``explain`` follows one person; ``guard`` is asked before every request."""

    folder: Path
    moodle: SandboxMoodle
    ledger: Ledger
    guard: Callable[[], None] = lambda: None

    @property
    def path(self) -> Path:
        return self.folder / "trial.yaml"

    def persons(self, rows: list[tuple[str, ...]]) -> None:
        lines = [";".join((*HEADINGS, "Categorie", "Inactief", "Taal")), *map(";".join, rows)]
        (self.folder / "persons.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def hook(self) -> MoodleHook:
        settings = MoodleSettings("moodle_trial", self.moodle.url, self.moodle.token, default_country="BE")
        return MoodleHook.from_settings(settings, guard=self.guard, sleep=lambda _seconds: None)

    def explain(self, person: str, *, write: bool = False, ledger: bool = True) -> Trace:
        mapping = load_mapping(self.path)
        with self.hook() as hook:
            return explain_person(
                mapping,
                self.path,
                person,
                hook,
                ledger=self.ledger if ledger else None,
                write=writer(self.ledger, mapping) if write else None,
            )


def make(folder: Path, moodle: SandboxMoodle) -> OnePerson:
    url = f"sqlite:///{folder / 'ledger' / 'ledger.db'}"
    schema.upgrade(url)
    made = OnePerson(folder, moodle, open_ledger(url))
    made.path.write_text(MAPPING.format(name="trial") + MORE, encoding="utf-8")
    made.persons(PERSONS)
    return made


def lines(step: Step) -> str:
    return "\n".join(map(str, step.lines))


def accounts(moodle: SandboxMoodle) -> str:
    return json.dumps(moodle.accounts(), sort_keys=True)
