"""The demo: a sandbox Moodle with 300 accounts, a local Airflow, and one provision run of the sample people, to its end."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from typing import TYPE_CHECKING, Final

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


def main() -> int:
    """Run or stop the demo; exit status 1 with one clear message when something is in the way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["start", "stop"], nargs="?", default="start")
    parser.add_argument("--airflow-port", type=int, default=int(os.environ.get("AIRFLOW_PORT", "8080")))
    parser.add_argument("--moodle-port", type=int, default=int(os.environ.get("MOODLE_PORT", "8088")))
    args = parser.parse_args()
    HOME.mkdir(exist_ok=True)
    airflow = LocalAirflow(HOME / "airflow", args.airflow_port)
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
    """Start what does not run yet, run the provision DAG once, and say what happened."""
    began = time.monotonic()
    _refuse_taken_ports(airflow, moodle_port)
    token = _token()
    moodle_port = _start_moodle(moodle_port, token)
    print("demo: starting Airflow (SQLite, LocalExecutor) …", flush=True)
    airflow.start()
    airflow.put_connection(
        "moodle_demo",
        conn_type="moodle",
        host=f"http://127.0.0.1:{moodle_port}",
        password=token,
        description="The sandbox Moodle of the demo",
    )
    airflow.put_pool("moodle__demo", 1, "Tasks that talk to the demo's Moodle at a time")
    airflow.wait_for_dag(DAG)
    airflow.wait_for_dag("moodle_check_connection")
    ready = time.monotonic()
    print(f"demo: running {DAG} …", flush=True)
    run = airflow.run(DAG)
    ended = time.monotonic()
    if run["state"] != "success":
        print(f"demo: the run ended as '{run['state']}': {airflow.states(DAG, run['dag_run_id'])}", file=sys.stderr)
    else:
        print(f"\n{_summary(airflow)}\n")
    print(f"The run took {ended - ready:.0f} s, starting everything {ready - began:.0f} s.\n")
    print(f"Airflow's UI:    {airflow.url}/dags/{DAG}/runs/{run['dag_run_id']}")
    print(f"  log in as      {ADMIN}, password {airflow.password}")
    print(f"Sandbox Moodle:  http://127.0.0.1:{moodle_port} (connection 'moodle_demo')")
    print("Both keep running; `make demo` again changes nothing in Moodle, `make demo-stop` ends them.")
    return 0 if run["state"] == "success" else 1


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
