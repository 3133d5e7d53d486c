"""The demo: two environments side by side in a local Airflow, from Coachview and from a file, each with a Moodle of its own."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from typing import Final

from demo_sandboxes import HOME, Moodle, Sandboxes
from demo_showing import DAG, FILE_DAG, PEOPLE_OF_COURSE, RECONCILE, Showing, enrol, reasons_of, waits
from localairflow import ADMIN, ROOT, LocalAirflow, LocalAirflowError

ENVIRONMENTS: Final = {"demo": DAG, "demo_file": FILE_DAG}
INPUTS: Final = ("mappings/demo.yaml", "mappings/demo_file.yaml", "samples/persons.csv", "samples/coachview.json")


def main() -> int:
    """Run or stop the demo; exit status 1 with one clear message when something is in the way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["start", "stop"], nargs="?", default="start")
    for name, port in (("airflow", 8080), ("moodle", 8088), ("coachview", 8090)):
        parser.add_argument(f"--{name}-port", type=int, default=int(os.environ.get(f"{name.upper()}_PORT", port)))
    args = parser.parse_args()
    HOME.mkdir(exist_ok=True)
    settings = {
        "AIRFLOW__MOODLE_COUPLING__MAPPINGS_FOLDER": str(HOME / "include/mappings"),
        "AIRFLOW__MOODLE_COUPLING__PAUSE_LOOK_SECONDS": "3",
    }
    airflow = LocalAirflow(HOME / "airflow", args.airflow_port, settings, more=("triggerer",))
    sandboxes = Sandboxes.on(args.moodle_port, args.coachview_port)
    try:
        return stop(airflow, sandboxes) if args.what == "stop" else start(airflow, sandboxes)
    except LocalAirflowError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


def stop(airflow: LocalAirflow, sandboxes: Sandboxes) -> int:
    """Stop everything the demo started; its data stays in .demo until `make clean`."""
    stopped = airflow.stop() + sum(sandbox.stop() for sandbox in sandboxes.all)
    print(f"demo: stopped {stopped} processes; `make demo` goes on with what is there, `make clean` removes it")
    return 0


def start(airflow: LocalAirflow, sandboxes: Sandboxes) -> int:
    """Start what does not run yet and run both provision DAGs; the first time also show what makes it safe."""
    began = time.monotonic()
    sandboxes.refuse_taken_ports(airflow)
    first = _copy_inputs()
    print("demo: starting two sandbox Moodles and a sandbox Coachview …", flush=True)
    for sandbox in sandboxes.all:
        sandbox.start()
    print("demo: starting Airflow (SQLite, LocalExecutor) …", flush=True)
    airflow.start()
    for sandbox in sandboxes.all:
        sandbox.connect(airflow)
    for environment, dag in ENVIRONMENTS.items():
        airflow.put_pool(f"moodle__{environment}", 1, f"Tasks that talk to the Moodle of {environment} at a time")
        airflow.wait_for_dag(dag)
    for dag in (RECONCILE, "moodle_reconcile__demo_file", "moodle_check_connection"):
        airflow.wait_for_dag(dag)
    ready = time.monotonic()
    runs = _run_both(airflow)
    good = all(_told(airflow, environment, runs[environment]) for environment in ENVIRONMENTS)
    took = time.monotonic() - ready
    if first and good:
        print(_compared(sandboxes.moodle, sandboxes.file_moodle))
    print(f"The two runs, side by side, took {took:.0f} s, starting everything {ready - began:.0f} s.\n", flush=True)
    if first and good:
        showing = Showing(airflow, sandboxes.moodle, sandboxes.coachview)
        showing.access(sandboxes.file_moodle)
        showing.safety()
        showing.reconcile()
    sandboxes.coachview.keep()
    print(f"Environments:    {airflow.url}/plugin/moodle-environments (in Airflow's navigation under Moodle)")
    print(f"Mismatches:      {airflow.url}/plugin/moodle-mismatches")
    print(f"Airflow's UI:    {airflow.url}/dags/{DAG}/runs/{runs['demo']}")
    print(f"  log in as      {ADMIN}, password {airflow.password}")
    for sandbox in sandboxes.all:
        print(f"{f'{type(sandbox).__name__}:':16} {sandbox.url} (connection '{sandbox.connection}')")
    print(
        f"Mapping files:   {HOME / 'include/mappings'} (copies, for the demo to change; those in include/ stay as they are)"
    )
    airflow.write_wrapper(HOME / "run")
    shown = (HOME / "run").relative_to(ROOT)
    print(
        f"Command line:    {shown} moodle-coupling status        (doctor, explain, airflow dags list … go the same way)"
    )
    print("All keep running; `make demo` again changes nothing in either Moodle, `make demo-stop` ends them.")
    return 0 if good else 1


def _run_both(airflow: LocalAirflow) -> dict[str, str]:
    """Run both DAGs at the same time, to their ends; the first load of a Moodle waits for an approval, which the demo gives."""
    print(f"demo: running {' and '.join(ENVIRONMENTS.values())} at the same time …\n", flush=True)
    runs = {environment: str(airflow.trigger(dag)["dag_run_id"]) for environment, dag in ENVIRONMENTS.items()}
    asking = [environment for environment, dag in ENVIRONMENTS.items() if waits(airflow, dag, runs[environment])]
    for environment in asking:
        print(f"{environment} waits for approval:\n{reasons_of(airflow, ENVIRONMENTS[environment], runs[environment])}")
    if asking:
        print("The demo approves, as you would in Airflow under Browse > Required Actions.\n", flush=True)
    for environment in asking:
        airflow.answer(ENVIRONMENTS[environment], runs[environment], "Approve")
    return runs


def _told(airflow: LocalAirflow, environment: str, run_id: str) -> bool:
    """Wait for a run's end and print its counts; tells whether it went well."""
    dag = ENVIRONMENTS[environment]
    state = airflow.wait_for_run(dag, run_id)["state"]
    if state != "success":
        print(f"demo: the run of {dag} ended as '{state}': {airflow.states(dag, run_id)}", file=sys.stderr)
        return False
    summary = max((airflow.home / "moodle_coupling/staging" / environment).glob("*/summary.md"))
    head = summary.read_text(encoding="utf-8").split("\n## ")[0].strip()
    print(f"{head}\nWho and why: {summary}\n", flush=True)
    return True


def _compared(one: Moodle, other: Moodle) -> str:
    """Say whether two Moodles hold the same accounts."""
    names = ("username", "firstname", "lastname", "email", "idnumber", "city", "country", "profile_fields")
    held = [{str([account.get(name) for name in names]) for account in moodle.accounts()} for moodle in (one, other)]
    different = len(held[0] ^ held[1])
    if different:
        return f"{different} accounts are not the same in both Moodles."
    return f"Two environments, two sources, the same people: both Moodles hold the same {len(held[0])} accounts."


ACCESS: Final = """
access: # two cohorts by department, and one course with a window by a list
  rules:
    - cohort:
        column: department
        translate: { Techniek: afdeling-techniek, Zorg: afdeling-zorg }
        unmatched: leave_out
  source:
    path: ../samples/enrolments.csv
    columns: { person_id: PersonId, course: Cursus, role: Rol, from: Van, until: Tot, state: Status }
  states: { ingeschreven: active, uitgeschreven: none }
  date_format: "%d-%m-%Y"
"""
"""What the demo puts behind demo_file.yaml in its own copy, so that the file itself stays the shortest to begin with."""


def _copy_inputs() -> bool:
    """Give the demo people and mapping files of its own: it changes them, and the clone stays as it is. Tells if it did."""
    if all((HOME / "include" / name).exists() for name in INPUTS):
        return False
    for name in INPUTS:
        path = HOME / "include" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "include" / name, path)
    with (HOME / "include/mappings/demo_file.yaml").open("a", encoding="utf-8") as mapping:
        mapping.write(ACCESS)
    enrol(PEOPLE_OF_COURSE)
    return True


if __name__ == "__main__":
    sys.exit(main())
