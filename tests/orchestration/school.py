"""One environment with access: its files, its Moodle, and runs of it, whose steps are called one after another."""

from __future__ import annotations

import csv
import datetime as dt
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moodle_coupling.ledger.ledger import open_ledger
from moodle_coupling.ledger.runs import begin_run, end_run
from moodle_coupling.ledger.words import RunState
from moodle_coupling.mapping.file import load_mapping
from moodle_coupling.orchestration import staging
from moodle_coupling.orchestration.parts import load_access, load_chunk
from moodle_coupling.orchestration.planning import Planned, plan
from moodle_coupling.orchestration.preparation import prepare
from moodle_coupling.orchestration.run import Run, let_go
from moodle_coupling.orchestration.run_end import report

if TYPE_CHECKING:
    from orchestration.coupling import Coupling

    from moodle_coupling.sandbox.moodle import SandboxMoodle

HEADINGS = (
    "PersonId",
    "ExternId",
    "Voornaam",
    "Tussenvoegsel",
    "Achternaam",
    "E-mail",
    "Plaats",
    "Categorie",
    "Inactief",
)
ZOE = ("1", "CV-1", "Zoë", "van der", "Meer", "zoe@example.org", "Utrecht", "Docent|BHV", "nee")
JAN = ("2", "CV-2", "Jan", "", "Jansen", "jan@example.org", "Zwolle", "Cursist", "nee")
PIET = ("3", "CV-3", "Piet", "", "Smit", "piet@example.org", "Ede", "Cursist", "nee")
SCHOOL: dict[str, Any] = {
    "cohorts": [
        {"name": "Docenten", "idnumber": "docenten"},
        {"name": "Van ons", "idnumber": "ons", "members": ["vreemd"]},
    ],
    "courses": [{"shortname": "BHV-2027", "fullname": "Bedrijfshulp", "idnumber": "BHV"}],
}
ACCESS = """
access:
  safeguards: {first_load: false, empty: false, take_backs: off, per_target: off}
  rules:
    - cohort: docenten
      when: [{column: categories, any_of: [Docent]}]
  source:
    path: enrolments.csv
    columns: {person_id: PersonId, course: Cursus, from: Van, until: Tot}
"""
BHV = 2


@dataclass
class Done:
    """A run under way, and its end."""

    run: Run
    planned: Planned
    text: str = ""
    counts: dict[str, int] | None = None

    def frame(self, name: str) -> Any:
        return staging.read_frame(self.run.folder, name)

    def said(self) -> list[tuple[str, str, str]]:
        frame = self.frame("access_outcomes")
        rows = frame[["person_id", "status", "code"]].itertuples(index=False, name=None)
        return sorted(row for row in rows if row[2] != "given")


class School:
    """One environment: its files, its Moodle, and runs of it."""

    def __init__(self, coupling: Coupling, moodle: SandboxMoodle) -> None:
        self.coupling, self.moodle = coupling, moodle
        self.more = ACCESS
        self.ledger = open_ledger(f"sqlite:///{coupling.folder / 'ledger.db'}")
        self._numbers = itertools.count(1)

    def people(self, *rows: tuple[str, ...]) -> None:
        self._write("persons.csv", HEADINGS, rows)

    def enrolments(self, *rows: tuple[str, ...]) -> None:
        self._write("enrolments.csv", ("PersonId", "Cursus", "Van", "Tot"), rows)

    def _write(self, name: str, headings: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> None:
        with (self.coupling.folder / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter=";").writerows([headings, *rows])

    def planned(self, **facts: Any) -> Done:
        """Do what comes before the load."""
        path = self.coupling.folder / f"{self.coupling.name}.yaml"
        path.write_text(self.coupling.mapping.format(name=self.coupling.name) + self.more)
        mapping, name = load_mapping(path), f"run {next(self._numbers)}"
        folder = staging.run_folder(mapping.environment, dt.datetime.now(dt.UTC), "dag", name)
        record = begin_run(self.ledger, mapping.environment, "dag", name, mode="test")
        run = Run(mapping, path, folder, self.ledger, record, holder=name, **facts)
        prepare(run)
        return Done(run, plan(run))

    def loaded(self, done: Done) -> Done:
        """Load what was planned, and end the run."""
        try:
            for chunk in done.planned.chunks:
                load_chunk(done.run, chunk)
            if done.planned.access:
                load_access(done.run)
            done.text, done.counts = report(done.run, loaded=bool(done.planned.chunks))
            end_run(self.ledger, done.run.record.id, RunState.DONE)
        finally:
            let_go(self.ledger, done.run.mapping.environment, done.run.holder)
        return done

    def go(self, **facts: Any) -> Done:
        return self.loaded(self.planned(**facts))

    def account(self, idnumber: str) -> int:
        (found,) = [one["id"] for one in self.moodle.accounts() if one["idnumber"] == idnumber]
        return int(found)

    def cohort(self, number: int = 1) -> set[int]:
        return set(self.moodle.access.members(number))

    def course(self) -> dict[int, tuple[int, int]]:
        return {one["userid"]: (one["timestart"], one["timeend"]) for one in self.moodle.access.enrolments(BHV)}
