"""A first load as somebody does it who has read the README and no code: 30 people from a CSV with headings of its own.

Everything goes through what a user has: the command line, Airflow's connections, its trigger form and its approval. Each step is
printed with its seconds, and at the end Moodle is compared with the file. ``make trial``; docs/trial.md holds what it printed.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localairflow import LocalAirflow, LocalAirflowError, free_port

from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle

if TYPE_CHECKING:
    from collections.abc import Callable

ENVIRONMENT: Final = "school"
DAG: Final = f"moodle_provision__{ENVIRONMENT}"
HEADINGS: Final = ("Pers.nr", "Roepnaam", "Tussenv.", "Familienaam", "Mail (werk)", "Uit dienst", "Standplaats")
NAMES: Final = (
    ("Sanne", "de", "Vries"), ("Jürgen", "", "Müller"), ("Ayşe", "", "Yıldız"), ("Mariëlle", "van der", "Berg"),
    ("Łukasz", "", "Żółć"), ("José", "d'", "Ancona"), ("Noor", "", "Jansen-Bakker"), ("Bram", "in 't", "Veld"),
    ("Chloé", "", "Öztürk"), ("Wim", "van", "Dijk"),
)  # fmt: skip
LEFT, NO_ADDRESS, KNOWN = 4, 11, 17
"""Who has left, who has no e-mail address, and who is in Moodle already without an ID number; by their place in the file."""


@dataclass
class Trial:
    """The steps so far; ``say`` prints each as it ends."""

    airflow: LocalAirflow
    moodle: SandboxMoodle
    steps: list[tuple[str, float]] = field(default_factory=list)

    def step(self, title: str, does: Callable[[], str]) -> None:
        """Do one step, and print it with its seconds and what it said."""
        began = time.monotonic()
        said = does()
        self.steps.append((title, time.monotonic() - began))
        print(f"\n{len(self.steps)}. {title} ({self.steps[-1][1]:.1f} s)", flush=True)
        for line in said.strip().splitlines():
            print(f"     {line}", flush=True)

    def command(self, *arguments: str) -> None:
        """Do one step on the command line."""
        self.step(f"moodle-coupling {' '.join(arguments)}", lambda: self.airflow.command("moodle-coupling", *arguments))


def people() -> list[dict[str, str]]:
    """Give the file's 30 rows."""
    found = []
    for number in range(30):
        first, infix, last = NAMES[number % len(NAMES)]
        address = "" if number == NO_ADDRESS else f"medewerker{number + 1}@example.org"
        values = (f"P{number + 1:04}", first, infix, last, address, "ja" if number == LEFT else "nee", "Utrecht")
        found.append(dict(zip(HEADINGS, values, strict=True)))
    return found


def known_account() -> dict[str, Any]:
    """Give the account that is in Moodle already: somebody of the file, without an ID number."""
    row = people()[KNOWN]
    return {
        "username": "oud",
        "firstname": row["Roepnaam"],
        "lastname": row["Familienaam"],
        "email": row["Mail (werk)"],
    }


def write_people(path: Path) -> None:
    """Write the file."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, HEADINGS, delimiter=";")
        writer.writeheader()
        writer.writerows(people())


def run(home: Path) -> list[tuple[str, float]]:
    """Do the trial below ``home``; gives the steps with their seconds. Raises LocalAirflowError where one does not work."""
    mappings, file = home / "mappings", home / "people.csv"
    mappings.mkdir()
    write_people(file)
    settings = {"AIRFLOW__MOODLE_COUPLING__MAPPINGS_FOLDER": str(mappings)}
    airflow = LocalAirflow(home / "airflow", free_port(), settings, more=("triggerer",))
    with running_moodle(accounts=[known_account()]) as moodle:
        trial = Trial(airflow, moodle)
        before = {one["username"] for one in moodle.accounts()}
        try:
            began = time.monotonic()
            airflow.start()
            print(f"An Airflow with the coupling in it, and its ledger, run after {time.monotonic() - began:.0f} s.")
            _describe(trial, file)
            _load(trial)
            trial.step("Moodle compared with the file", lambda: compared(moodle, before))
        finally:
            airflow.stop()
    print(f"\n{len(trial.steps)} steps, {sum(seconds for _, seconds in trial.steps):.0f} s.")
    return trial.steps


def _describe(trial: Trial, file: Path) -> None:
    """Write the mapping file, make what Airflow needs, and have both checked."""
    trial.command("init", ENVIRONMENT, "--from", str(file))
    trial.command("validate")
    trial.step("Airflow, Admin > Connections: one of type Moodle, 'moodle_school'", lambda: _connected(trial))
    trial.command("setup", ENVIRONMENT)
    trial.step("Airflow, Dags: switch moodle_provision__school on", lambda: _switched_on(trial))
    trial.command("doctor")
    trial.command("check", ENVIRONMENT)


def _connected(trial: Trial) -> str:
    moodle = trial.moodle
    trial.airflow.put_connection("moodle_school", conn_type="moodle", host=moodle.url, password=moodle.token)
    return ""


def _switched_on(trial: Trial) -> str:
    for dag in (DAG, f"moodle_reconcile__{ENVIRONMENT}"):
        trial.airflow.wait_for_dag(dag)
    return ""


def _load(trial: Trial) -> None:
    """Look at a dry run, then let it run, and approve the plan."""
    runs: dict[str, str] = {}
    trial.step("A dry run: Trigger, 'Dry run' ticked", lambda: _ran(trial, {"dry_run": True}))
    trial.step("The run: Trigger; its plan waits for an approval", lambda: _asked(trial, runs))
    trial.step("Approve", lambda: _approved(trial, runs["load"]))
    trial.command("status", ENVIRONMENT)


def _ran(trial: Trial, conf: dict[str, Any]) -> str:
    ended = trial.airflow.run(DAG, conf)
    if ended["state"] != "success":
        raise LocalAirflowError(json.dumps(trial.airflow.states(DAG, ended["dag_run_id"])))
    return _summary(trial, ended["dag_run_id"])


def _asked(trial: Trial, runs: dict[str, str]) -> str:
    runs["load"] = trial.airflow.trigger(DAG)["dag_run_id"]
    trial.airflow.wait_for_state(DAG, runs["load"], "approve", {"awaiting_input"})
    return trial.airflow.question(DAG, runs["load"]).split("\n\n")[0]


def _approved(trial: Trial, run_id: str) -> str:
    trial.airflow.answer(DAG, run_id, "Approve")
    if trial.airflow.wait_for_run(DAG, run_id)["state"] != "success":
        raise LocalAirflowError(json.dumps(trial.airflow.states(DAG, run_id)))
    return _summary(trial, run_id)


def _summary(trial: Trial, run_id: str) -> str:
    said = str(trial.airflow.xcom(DAG, run_id, "report", "summary"))
    return said.split("\n## ", maxsplit=1)[0]


def compared(moodle: SandboxMoodle, before: set[str]) -> str:
    """Say how Moodle and the file compare; raises LocalAirflowError where anybody is missing, too much or otherwise."""
    rows = people()
    wanted = {
        row["Pers.nr"]: (
            row["Roepnaam"],
            " ".join(filter(None, (row["Tussenv."], row["Familienaam"]))),
            row["Mail (werk)"],
        )
        for place, row in enumerate(rows)
        if place not in (LEFT, NO_ADDRESS, KNOWN)
    }
    made = [one for one in moodle.accounts() if one["username"] not in before]
    found = {one["idnumber"]: (one["firstname"], one["lastname"], one["email"]) for one in made}
    if len(made) != len(found) or {key: _spaced(value) for key, value in found.items()} != {
        key: _spaced(value) for key, value in wanted.items()
    }:
        msg = f"Moodle holds other people than the file: {sorted(set(found.items()) ^ set(wanted.items()))}"
        raise LocalAirflowError(msg)
    return (
        f"{len(rows)} people in the file; in Moodle {len(made)} new accounts, each with the name, the address and the ID number of "
        "its row.\nNot made: 1 who has left, 1 without an e-mail address (rejected, with how to mend it), 1 whose address is on an "
        "account without an ID number (a mismatch, for somebody to decide)."
    )


def _spaced(person: tuple[str, str, str]) -> tuple[str, str, str]:
    return person[0], person[1].replace("' ", "'"), person[2]


def main() -> int:
    """Do the trial in a folder that is removed afterwards; exit status 1 when a step does not work."""
    with tempfile.TemporaryDirectory(prefix="moodle-trial-") as home:
        try:
            run(Path(home))
        except LocalAirflowError as error:
            print(f"trial: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
