"""The demo: a sandbox Moodle with 300 accounts, a local Airflow, and one provision run of the sample people, to its end."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import requests
from localairflow import (
    ADMIN,
    BIN,
    ROOT,
    LocalAirflow,
    LocalAirflowError,
    port_taken,
    process_alive,
    start_process,
    stop_process,
    write_private,
)

if TYPE_CHECKING:
    from pathlib import Path

HOME: Final = ROOT / ".demo"
DAG: Final = "moodle_provision__demo"
RECONCILE: Final = "moodle_reconcile__demo"
PEOPLE: Final = HOME / "include/samples/persons.csv"
ENDED: Final = ("success", "failed", "skipped", "upstream_failed")


def main() -> int:
    """Run or stop the demo; exit status 1 with one clear message when something is in the way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["start", "stop"], nargs="?", default="start")
    parser.add_argument("--airflow-port", type=int, default=int(os.environ.get("AIRFLOW_PORT", "8080")))
    parser.add_argument("--moodle-port", type=int, default=int(os.environ.get("MOODLE_PORT", "8088")))
    args = parser.parse_args()
    HOME.mkdir(exist_ok=True)
    settings = {
        "AIRFLOW__MOODLE_COUPLING__MAPPINGS_FOLDER": str(HOME / "include/mappings"),
        "AIRFLOW__MOODLE_COUPLING__PAUSE_LOOK_SECONDS": "3",
    }
    airflow = LocalAirflow(HOME / "airflow", args.airflow_port, settings)
    try:
        return stop(airflow) if args.what == "stop" else start(airflow, args.moodle_port)
    except LocalAirflowError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


def stop(airflow: LocalAirflow) -> int:
    """Stop everything the demo started; its data stays in .demo until `make clean`."""
    stopped = airflow.stop() + stop_process(HOME / "moodle.pid")
    print(f"demo: stopped {stopped} processes; `make demo` goes on with what is there, `make clean` removes it")
    return 0


def start(airflow: LocalAirflow, moodle_port: int) -> int:
    """Start what does not run yet and run the provision DAG; the first time also show what makes it safe."""
    began = time.monotonic()
    _refuse_taken_ports(airflow, moodle_port)
    first = not PEOPLE.exists()
    if first:
        _copy_inputs()
    token = _token()
    moodle_port = _start_moodle(moodle_port, token)
    print("demo: starting Airflow (SQLite, LocalExecutor) …", flush=True)
    airflow.start()
    demo = Demo(airflow, moodle_port, token)
    demo.connect()
    airflow.put_pool("moodle__demo", 1, "Tasks that talk to the demo's Moodle at a time")
    airflow.wait_for_dag(DAG)
    airflow.wait_for_dag(RECONCILE)
    airflow.wait_for_dag("moodle_check_connection")
    ready = time.monotonic()
    run = demo.main_run()
    ended = time.monotonic()
    good = run["state"] == "success"
    if good:
        print(f"\n{_summary(airflow)}\n")
    print(f"The run took {ended - ready:.0f} s, starting everything {ready - began:.0f} s.\n")
    if first and good:
        demo.show_safety()
        demo.show_reconcile()
    print(f"Mismatches:      {airflow.url}/plugin/moodle-mismatches (in Airflow's navigation under Moodle)")
    print(f"Airflow's UI:    {airflow.url}/dags/{DAG}/runs/{run['dag_run_id']}")
    print(f"  log in as      {ADMIN}, password {airflow.password}")
    print(f"Sandbox Moodle:  http://127.0.0.1:{moodle_port} (connection 'moodle_demo')")
    print("Both keep running; `make demo` again changes nothing in Moodle, `make demo-stop` ends them.")
    return 0 if good else 1


@dataclass
class Demo:
    """The demo's Airflow and sandbox, and what is shown with them."""

    airflow: LocalAirflow
    moodle_port: int
    token: str

    def connect(self, **extra: int) -> None:
        """Make the connection, or give it other advanced settings."""
        self.airflow.put_connection(
            "moodle_demo",
            conn_type="moodle",
            host=f"http://127.0.0.1:{self.moodle_port}",
            password=self.token,
            description="The sandbox Moodle of the demo",
            extra=json.dumps(extra),
        )

    def main_run(self) -> dict[str, Any]:
        """Run the DAG to its end; the first load ever waits for an approval, which the demo gives."""
        print(f"demo: running {DAG} …", flush=True)
        run_id = self.airflow.trigger(DAG)["dag_run_id"]
        if self._waits(run_id):
            print(
                f"\nThe first load of a Moodle waits for approval:\n\n{_quoted(self.airflow.question(DAG, run_id))}\n"
            )
            print("The demo approves it, as you would in Airflow under Browse > Required Actions.", flush=True)
            self.airflow.answer(DAG, run_id, "Approve")
        run = self.airflow.wait_for_run(DAG, run_id)
        if run["state"] != "success":
            print(f"demo: the run ended as '{run['state']}': {self.airflow.states(DAG, run_id)}", file=sys.stderr)
        return run

    def show_safety(self) -> None:
        """Show a run without changes, one change, an empty source, and a pause in the middle of a load."""
        print("What makes it safe to run every half hour:\n", flush=True)
        before = PEOPLE.read_text(encoding="utf-8-sig")
        self._tell("nothing changed", self.airflow.run(DAG))
        married = before.replace("Şule;;Nowak;", "Şule;de;Wit;", 1)
        self._with_people(married)
        self._tell("one person has another surname", self.airflow.run(DAG))
        self._empty_source(before.splitlines()[0] + "\n")
        self._pause_half_way(married)

    def show_reconcile(self) -> None:
        """Change something by hand in Moodle, let the night's run find it, and tell what waits for an analyst."""
        changed = self._by_hand()
        run = self.airflow.run(RECONCILE)
        counts = self.airflow.xcom(RECONCILE, run["dag_run_id"], "report")
        print(f"The nightly run, by hand ({RECONCILE}): every person with every account.\n")
        print(f"* {changed} accounts were changed by hand in Moodle: {counts.get('done_update', 0)} put right.")
        told = self.airflow.command("moodle-coupling", "status", "demo")
        waiting = next(line for line in told.splitlines() if "open mismatches" in line)
        print(f"* For an analyst: {waiting.strip()}.\n", flush=True)

    def _by_hand(self) -> int:
        """Move two accounts to Belgium, as somebody in Moodle might."""
        linked = [one for one in self._state() if one["idnumber"].startswith("NW-")][:2]
        for one in linked:
            form = {"wstoken": self.token, "wsfunction": "core_user_update_users", "moodlewsrestformat": "json"}
            form |= {"users[0][id]": one["id"], "users[0][country]": "BE"}
            url = f"http://127.0.0.1:{self.moodle_port}/webservice/rest/server.php"
            requests.post(url, data=form, timeout=30).raise_for_status()
        return len(linked)

    def _empty_source(self, header: str) -> None:
        self._with_people(header)
        run_id = self.airflow.trigger(DAG)["dag_run_id"]
        self._waits(run_id)
        reasons = self.airflow.question(DAG, run_id).split("\n\n")[0]
        print(f"* The source is empty: the run stops and asks.\n{_quoted(reasons)}")
        self.airflow.answer(DAG, run_id, "Reject")
        self.airflow.wait_for_run(DAG, run_id)
        print("  The demo rejects it: nothing was written.", flush=True)

    def _pause_half_way(self, people: str) -> None:
        columns = people.splitlines()[0].count(";") + 1
        newcomers = [
            ";".join(
                [
                    f"2000{n:02}",
                    f"NW-{n:03}",
                    "N.",
                    f"Nieuw{n}",
                    "",
                    "Komer",
                    f"nieuw{n}@example.org",
                    *[""] * (columns - 7),
                ]
            )
            for n in range(40)
        ]
        self._with_people(people.rstrip("\n") + "\n" + "\n".join(newcomers) + "\n")
        self.connect(batch_size=2)
        self._sandbox("POST", ["hold,skip=3,function=core_user_create_users"])
        run_id = self.airflow.trigger(DAG)["dag_run_id"]
        accounts = self._accounts()
        while self._accounts() == accounts and not self._finished(run_id):
            time.sleep(0.2)
        self.airflow.command("moodle-coupling", "pause", "demo", "--reason", "to show it")
        self._sandbox("DELETE", None)
        self.airflow.wait_for_state(DAG, run_id, "load", {"up_for_reschedule", "success"})
        print(
            f"* 40 newcomers; paused half-way: {self._accounts() - accounts} are in, and the rest of the plan waits.",
            flush=True,
        )
        self.airflow.command("moodle-coupling", "resume", "demo")
        self.airflow.wait_for_run(DAG, run_id)
        self.connect()
        print(f"  Resumed: {self._accounts() - accounts} are in, each once.\n", flush=True)

    def _tell(self, what: str, run: dict[str, Any]) -> None:
        counts = self.airflow.xcom(DAG, run["dag_run_id"], "report")
        done = {name: counts.get(f"done_{name}", 0) for name in ("create", "update")}
        print(f"* Run again, {what}: {done['create']} created, {done['update']} updated.", flush=True)

    def _with_people(self, text: str) -> None:
        PEOPLE.write_text(text, encoding="utf-8")

    def _waits(self, run_id: str) -> bool:
        state = self.airflow.wait_for_state(DAG, run_id, "approve", {"awaiting_input", *ENDED})
        return state == "awaiting_input"

    def _finished(self, run_id: str) -> bool:
        return str(self.airflow.api("GET", f"dags/{DAG}/dagRuns/{run_id}")["state"]) in {"success", "failed"}

    def _accounts(self) -> int:
        return len(self._state())

    def _state(self) -> list[dict[str, Any]]:
        answer = requests.get(f"http://127.0.0.1:{self.moodle_port}/sandbox/state", timeout=30)
        answer.raise_for_status()
        accounts: list[dict[str, Any]] = answer.json()["accounts"]
        return accounts

    def _sandbox(self, method: str, body: list[str] | None) -> None:
        answer = requests.request(method, f"http://127.0.0.1:{self.moodle_port}/sandbox/faults", json=body, timeout=30)
        answer.raise_for_status()


def _quoted(text: str) -> str:
    return "\n".join(f"  | {line}" for line in text.splitlines())


def _copy_inputs() -> None:
    """Give the demo people and a mapping file of its own: it changes them, and the clone stays as it is."""
    for name in ("mappings", "samples"):
        (HOME / "include" / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "include/mappings/demo.yaml", HOME / "include/mappings")
    shutil.copy(ROOT / "include/samples/persons.csv", PEOPLE)


def _summary(airflow: LocalAirflow) -> str:
    """Give the newest run's summary with names; Airflow's own log and XCom hold the one without."""
    return max((airflow.home / "moodle_coupling/staging/demo").glob("*/summary.md")).read_text()


def _refuse_taken_ports(airflow: LocalAirflow, moodle_port: int) -> None:
    for name, port, pid in (
        ("AIRFLOW_PORT", airflow.port, airflow.home / "api-server.pid"),
        ("MOODLE_PORT", moodle_port, HOME / "moodle.pid"),
    ):
        if not process_alive(pid) and port_taken(port):
            msg = f"port {port} on 127.0.0.1 is taken by another program. Choose another: make demo {name}={port + 10}"
            raise LocalAirflowError(msg)


def _token() -> str:
    path = HOME / "moodle.token"
    if not path.exists():
        write_private(path, secrets.token_hex(16))
    return path.read_text().strip()


def _start_moodle(port: int, token: str) -> int:
    """Start the sandbox unless it runs; gives the port it listens on."""
    pid, kept = HOME / "moodle.pid", HOME / "moodle.port"
    if process_alive(pid):
        return int(kept.read_text())
    state = HOME / "moodle.sqlite"
    command = [str(BIN / "moodle-coupling"), "sandbox", "moodle", "--port", str(port), "--state", str(state)]
    if not state.exists():
        command += ["--accounts", str(ROOT / "include/samples/accounts.csv")]
    print("demo: starting the sandbox Moodle …", flush=True)
    with (HOME / "moodle.log").open("ab") as log:
        start_process(command, pid, log, {**os.environ, "MOODLE_SANDBOX_TOKEN": token}, ROOT)
    kept.write_text(str(port))
    _wait_for_moodle(port, pid)
    return port


def _wait_for_moodle(port: int, pid: Path, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process_alive(pid):
        try:
            requests.get(f"http://127.0.0.1:{port}/webservice/rest/server.php", timeout=2)
        except requests.RequestException:
            time.sleep(0.1)
        else:
            return
    msg = f"the sandbox Moodle did not start; see {HOME / 'moodle.log'}"
    raise LocalAirflowError(msg)


if __name__ == "__main__":
    sys.exit(main())
