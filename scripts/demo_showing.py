"""What the demo shows after its first loads: that runs can be repeated, stopped and paused, and what the night finds."""

from __future__ import annotations

import csv
import datetime as dt
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import requests
from demo_sandboxes import HOME, Coachview, Moodle

if TYPE_CHECKING:
    from localairflow import LocalAirflow

DAG: Final = "moodle_provision__demo"
FILE_DAG: Final = "moodle_provision__demo_file"
RECONCILE: Final = "moodle_reconcile__demo"
PEOPLE: Final = HOME / "include/samples/persons.csv"
ENDED: Final = ("success", "failed", "skipped", "upstream_failed")
ENROLMENTS: Final = HOME / "include/samples/enrolments.csv"
PEOPLE_OF_COURSE: Final = ("CV-00001", "CV-00002", "CV-00003")
"""Whom the demo enrols, by their id in persons.csv."""
MARRIED: Final = {
    "id": "0a51f3b7-d8f1-4adf-a1b7-584a2265b1f5",
    "changes": {"tussenvoegsels": "de", "achternaam": "Wit"},
}


@dataclass(frozen=True)
class Showing:
    """Shows it in the environment demo, and the empty source in demo_file."""

    airflow: LocalAirflow
    moodle: Moodle
    coachview: Coachview

    def access(self, moodle: Moodle) -> None:
        """Show who was given access to cohorts and a course, and that it is taken back from who is taken off the list."""
        print("Access to cohorts and courses, in demo_file:\n", flush=True)
        print(f"* Given in the same run as the accounts: {_in_it(moodle)}.", flush=True)
        enrol(PEOPLE_OF_COURSE[:-1])
        run = self.airflow.run(FILE_DAG)
        counts = self.airflow.xcom(FILE_DAG, run["dag_run_id"], "report")
        given, back = counts.get("access_done_give", 0), counts.get("access_done_take_back", 0)
        print(
            f"* One person is taken off the list: {given} given, {back} taken back. Now: {_in_it(moodle)}.\n",
            flush=True,
        )

    def safety(self) -> None:
        """Show a run without changes, one change, an empty source, and a pause in the middle of a load."""
        print("What makes it safe to run every half hour:\n", flush=True)
        self._run_again("nothing changed")
        self.coachview.control("POST", "people/change", MARRIED)
        self._run_again("one person has another surname in Coachview")
        self._empty_source()
        self._pause_half_way()

    def reconcile(self) -> None:
        """Change something by hand in Moodle, let the night's run find it, and tell what waits for an analyst."""
        changed = self._by_hand()
        run = self.airflow.run(RECONCILE)
        counts = self.airflow.xcom(RECONCILE, run["dag_run_id"], "report")
        print(f"The nightly run, by hand ({RECONCILE}): every person with every account.\n")
        print(f"* {changed} accounts were changed by hand in Moodle: {counts.get('done_update', 0)} put right.")
        told = json.loads(self.airflow.command("moodle-coupling", "status", "demo", "--format", "json"))
        counts = ", ".join(f"{number} {kind}" for kind, number in told["environments"][0]["mismatches"].items())
        print(f"* For an analyst: open mismatches: {counts or 'none'}.\n", flush=True)

    def _run_again(self, what: str) -> None:
        before = self.coachview.requests_since()
        run = self.airflow.run(DAG)
        counts = self.airflow.xcom(DAG, run["dag_run_id"], "report")
        created, updated = (counts.get(f"done_{name}", 0) for name in ("create", "update"))
        asked = self.coachview.requests_since(before)
        print(f"* Run again, {what}: {created} created, {updated} updated; requests to Coachview: {asked}.", flush=True)

    def _empty_source(self) -> None:
        people = PEOPLE.read_bytes()
        PEOPLE.write_bytes(people.splitlines(keepends=True)[0])
        run_id = self.airflow.trigger(FILE_DAG)["dag_run_id"]
        waits(self.airflow, FILE_DAG, run_id)
        reasons = reasons_of(self.airflow, FILE_DAG, run_id)
        print(f"* The file of demo_file is empty: the run stops and asks.\n{reasons}")
        self.airflow.answer(FILE_DAG, run_id, "Reject")
        self.airflow.wait_for_run(FILE_DAG, run_id)
        PEOPLE.write_bytes(people)
        print("  The demo rejects it: nothing was written.", flush=True)

    def _pause_half_way(self) -> None:
        newcomers = [
            {
                "externId": f"NW-{n:03}",
                "externSource": "AFAS",
                "voornaam": f"Nieuw{n}",
                "achternaam": "Komer",
                "email1": f"nieuw{n}@example.org",
            }
            for n in range(40)
        ]
        self.coachview.control("POST", "people", newcomers)
        self.moodle.connect(self.airflow, batch_size=2)
        self.moodle.control("POST", "faults", ["hold,skip=3,function=core_user_create_users"])
        before = len(self.moodle.accounts())
        run_id = self.airflow.trigger(DAG)["dag_run_id"]
        while len(self.moodle.accounts()) == before and not self._finished(run_id):
            time.sleep(0.2)
        self.airflow.command("moodle-coupling", "pause", "demo", "--reason", "to show it")
        self.moodle.control("DELETE", "faults")
        self.airflow.wait_for_state(DAG, run_id, "load", {"up_for_reschedule", "success"})
        made = len(self.moodle.accounts()) - before
        print(
            f"* 40 newcomers in Coachview; paused half-way: {made} are in, and the rest of the plan waits.", flush=True
        )
        self.airflow.command("moodle-coupling", "resume", "demo")
        self.airflow.wait_for_run(DAG, run_id)
        self.moodle.connect(self.airflow)
        print(f"  Resumed: {len(self.moodle.accounts()) - before} are in, each once.\n", flush=True)

    def _by_hand(self) -> int:
        """Move two accounts to Belgium, as somebody in Moodle might."""
        linked = [one for one in self.moodle.accounts() if one["idnumber"].startswith("NW-")][:2]
        for one in linked:
            form = {"wstoken": self.moodle.secret, "wsfunction": "core_user_update_users", "moodlewsrestformat": "json"}
            form |= {"users[0][id]": one["id"], "users[0][country]": "BE"}
            url = f"{self.moodle.url}/webservice/rest/server.php"
            requests.post(url, data=form, timeout=30).raise_for_status()
        return len(linked)

    def _finished(self, run_id: str) -> bool:
        run: dict[str, Any] = self.airflow.api("GET", f"dags/{DAG}/dagRuns/{run_id}")
        return run["state"] in {"success", "failed"}


def enrol(ids: tuple[str, ...]) -> None:
    """Write the list of enrolments: these people in one course, from January to June of next year."""
    year = dt.datetime.now(dt.UTC).year + 1
    rows = csv.DictReader(PEOPLE.read_text(encoding="utf-8-sig").splitlines(), delimiter=";")
    persons = [row["PersonId"] for row in rows if row["ExternId"] in ids]
    lines = ["PersonId;Cursus;Rol;Van;Tot;Status"]
    lines += [f"{person};BHV-2027;student;01-01-{year};30-06-{year};ingeschreven" for person in persons]
    ENROLMENTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _in_it(moodle: Moodle) -> str:
    """Say how many people are in each cohort and course."""
    state: dict[str, Any] = moodle.control("GET", "state")
    cohorts = [f"{len(one['members'])} in cohort {one['idnumber']}" for one in state["cohorts"]]
    courses = [f"{len(one['enrolments'])} in course {one['shortname']}" for one in state["courses"]]
    return ", ".join(cohorts + courses)


def waits(airflow: LocalAirflow, dag: str, run_id: str) -> bool:
    """Wait until a run's approval step asks or is done with; tells whether it asks."""
    return airflow.wait_for_state(dag, run_id, "approve", {"awaiting_input", *ENDED}) == "awaiting_input"


def reasons_of(airflow: LocalAirflow, dag: str, run_id: str) -> str:
    """Give why a run asks, to be printed."""
    reasons = airflow.question(dag, run_id).split("\n\n")[0]
    return "\n".join(f"  | {line}" for line in reasons.splitlines())
