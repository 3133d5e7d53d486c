"""A whole Airflow on this machine for the demo and the end-to-end tests: SQLite, LocalExecutor, 127.0.0.1 only."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import requests

ROOT: Final = Path(__file__).resolve().parent.parent
BIN: Final = Path(sys.executable).parent
ADMIN: Final = "admin"
FINISHED: Final = frozenset({"success", "failed"})
_CHILDREN: Final[dict[int, subprocess.Popen[bytes]]] = {}
"""Processes started by this one, to be reaped when they are stopped; after the demo they go on without it."""


class LocalAirflowError(RuntimeError):
    """Something of the local Airflow does not work; the text says what to do."""


@dataclass
class LocalAirflow:
    """An Airflow whose whole state lies in ``home``; started once, and found again by its pid files."""

    home: Path
    port: int
    settings: dict[str, str] = field(default_factory=dict)
    root: Path = ROOT
    users: str = f"{ADMIN}:admin"
    """Who may log in: name:role, separated by commas; the passwords are generated."""
    more: tuple[str, ...] = ()
    """Components to run beside the three that nothing works without: ``triggerer``."""

    @property
    def components(self) -> tuple[str, ...]:
        """What runs, in the order in which it is started."""
        return ("api-server", "scheduler", "dag-processor", *self.more)

    @property
    def url(self) -> str:
        """The UI's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The process environment of every Airflow component; secrets are made once and kept in ``home``."""
        kept = self._secrets()
        own = {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.root / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(self.root / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__FERNET_KEY": kept["fernet"],
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": self.users,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": kept["api"],
            "AIRFLOW__API_AUTH__JWT_SECRET": kept["jwt"],
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home / 'airflow.db'}",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}",
        }
        clean = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
        return clean | own | self.settings

    def start(self) -> None:
        """Start what does not run yet and wait until the API answers and the scheduler beats."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o700)
        if self._alive("api-server"):
            return
        if port_taken(self.port):
            msg = f"Port {self.port} on 127.0.0.1 is taken; choose another."
            raise LocalAirflowError(msg)
        self.command("airflow", "db", "migrate")
        self.command("moodle-coupling", "db", "upgrade")
        for component in self.components:
            self._spawn(component)
        self._wait_until_healthy()

    def stop(self) -> int:
        """Stop every component; returns how many were running."""
        return sum(stop_process(self.home / f"{name}.pid") for name in (*self.components[1:], "api-server"))

    def write_wrapper(self, path: Path) -> None:
        """Write a script that runs a command as the components are run: ``run moodle-coupling status``.

        It holds the secrets of this Airflow, as its home does, and is for its owner only.
        """
        kept = {name: value for name, value in self.environment.items() if name.startswith("AIRFLOW") or name == "PATH"}
        lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(kept.items())]
        path.touch(mode=0o700)
        path.chmod(0o700)
        path.write_text(
            "\n".join(["#!/bin/sh", *lines, f"cd {shlex.quote(str(self.root))} || exit 1", 'exec "$@"', ""])
        )

    def kill(self, component: str) -> None:
        """End a component and everything it started at once, as a power cut does (for tests)."""
        pid_file = self.home / f"{component}.pid"
        pid = int(pid_file.read_text())
        for child in descendants(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        stop_process(pid_file, seconds=5, sign=signal.SIGKILL)

    def start_again(self, component: str) -> None:
        """Start one component that was stopped or killed."""
        self._spawn(component)

    @property
    def password(self) -> str:
        """The generated password of the admin user."""
        return self.password_of(ADMIN)

    def password_of(self, user: str) -> str:
        """Give the generated password of one of ``users``."""
        path = self.home / "simple_auth_manager_passwords.json.generated"
        return str(json.loads(path.read_text())[user])

    def api(self, method: str, path: str, **kwargs: Any) -> Any:
        """Call Airflow's public REST API as the admin user; gives the JSON, or raises with Airflow's own words."""
        answer = requests.request(
            method,
            f"{self.url}/api/v2/{path}",
            headers={"Authorization": f"Bearer {self._bearer()}"},
            timeout=60,
            **kwargs,
        )
        if not answer.ok:
            msg = f"{method} {path}: {answer.status_code} {answer.text[:500]}"
            raise LocalAirflowError(msg)
        return answer.json() if answer.content else None

    def put_connection(self, conn_id: str, **fields: Any) -> None:
        """Make or replace a connection; it goes through the API, so that no secret is on a command line."""
        body = {"connection_id": conn_id, **fields}
        known = {row["connection_id"] for row in self.api("GET", "connections?limit=1000")["connections"]}
        if conn_id in known:
            self.api("PATCH", f"connections/{conn_id}", json=body)
        else:
            self.api("POST", "connections", json=body)

    def put_pool(self, name: str, slots: int, description: str = "") -> None:
        """Make a pool if it is not there."""
        known = {row["name"] for row in self.api("GET", "pools?limit=1000")["pools"]}
        if name not in known:
            self.api("POST", "pools", json={"name": name, "slots": slots, "description": description})

    def wait_for_dag(self, dag_id: str, seconds: float = 240) -> None:
        """Wait until the DAG is parsed, and let it run."""
        end = time.monotonic() + seconds
        while True:
            try:
                self.api("PATCH", f"dags/{dag_id}", json={"is_paused": False})
            except LocalAirflowError as error:
                if time.monotonic() > end:
                    msg = f"DAG {dag_id} did not appear; import errors: {self.api('GET', 'importErrors')}"
                    raise LocalAirflowError(msg) from error
                time.sleep(0.5)
            else:
                return

    def run(self, dag_id: str, conf: dict[str, Any] | None = None, seconds: float = 600) -> dict[str, Any]:
        """Trigger a DAG and wait for its end; gives the run as Airflow's API describes it."""
        made = self.trigger(dag_id, conf)
        return self.wait_for_run(dag_id, made["dag_run_id"], seconds)

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> dict[str, Any]:
        """Trigger a DAG; gives the run as Airflow's API describes it."""
        made: dict[str, Any] = self.api(
            "POST", f"dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf or {}}
        )
        return made

    def wait_for_run(self, dag_id: str, run_id: str, seconds: float = 600) -> dict[str, Any]:
        """Wait for a run's end; raises when it takes longer."""
        end = time.monotonic() + seconds
        while True:
            run: dict[str, Any] = self.api("GET", f"dags/{dag_id}/dagRuns/{run_id}")
            if run["state"] in FINISHED:
                return run
            if time.monotonic() > end:
                msg = f"{dag_id} {run_id} is still {run['state']} after {seconds:.0f} s; see {self.url}"
                raise LocalAirflowError(msg)
            time.sleep(0.5)

    def wait_for_state(self, dag_id: str, run_id: str, task_id: str, states: set[str], seconds: float = 300) -> str:
        """Wait until a task (not mapped) is in one of the states, and give that state."""
        end = time.monotonic() + seconds
        while True:
            state = self.states(dag_id, run_id).get(task_id, ["None"])[0]
            if state in states:
                return state
            if time.monotonic() > end:
                msg = f"{dag_id} {run_id}: task {task_id} is still {state} after {seconds:.0f} s"
                raise LocalAirflowError(msg)
            time.sleep(0.5)

    def answer(self, dag_id: str, run_id: str, option: str, task_id: str = "approve") -> None:
        """Answer an approval step, as the page Required Actions does: Approve or Reject."""
        # An answer that comes before the scheduler has seen the worker go counts as a crash of the task, which then asks
        # once more (seen in 3.3.2); no person is that quick.
        time.sleep(3)
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/-1/hitlDetails"
        asked = self.api("GET", path)["params"]
        form = {name: field["value"] for name, field in asked.items()}
        self.api("PATCH", path, json={"chosen_options": [option], "params_input": form})

    def question(self, dag_id: str, run_id: str, task_id: str = "approve") -> str:
        """Give the text of an approval step."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/-1/hitlDetails"
        return str(self.api("GET", path)["body"])

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """Give what a task left in XCom."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        return self.api("GET", f"{path}?deserialize=true")["value"]

    def states(self, dag_id: str, run_id: str) -> dict[str, list[str]]:
        """Give the states of a run's tasks by task id (several for a mapped task)."""
        found: dict[str, list[str]] = {}
        rows = self.api("GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=1000")["task_instances"]
        for row in rows:
            found.setdefault(row["task_id"], []).append(str(row["state"]))
        return found

    def _bearer(self) -> str:
        if "bearer" not in self.__dict__:
            answer = requests.post(
                f"{self.url}/auth/token", json={"username": ADMIN, "password": self.password}, timeout=60
            )
            answer.raise_for_status()
            self.__dict__["bearer"] = answer.json()["access_token"]
        return str(self.__dict__["bearer"])

    def _secrets(self) -> dict[str, str]:
        path = self.home / "secrets.json"
        if not path.exists():
            from cryptography.fernet import Fernet

            made = {
                "fernet": Fernet.generate_key().decode(),
                "jwt": secrets.token_hex(32),
                "api": secrets.token_hex(32),
            }
            self.home.mkdir(parents=True, exist_ok=True)
            write_private(path, json.dumps(made))
        return dict(json.loads(path.read_text()))

    def command(self, program: str, *args: str) -> str:
        """Run one of our or Airflow's commands in this Airflow's environment and give what it prints."""
        done = subprocess.run(
            [str(BIN / program), *args],
            env=self.environment,
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            msg = f"{program} {' '.join(args)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            raise LocalAirflowError(msg)
        return done.stdout

    def _spawn(self, component: str) -> None:
        command = [str(BIN / "airflow"), component]
        if component == "api-server":
            command += ["--host", "127.0.0.1", "--port", str(self.port)]
        with (self.home / f"{component}.log").open("ab") as log:
            start_process(command, self.home / f"{component}.pid", log, self.environment, self.home)

    def _alive(self, component: str) -> bool:
        return process_alive(self.home / f"{component}.pid")

    def _wait_until_healthy(self, seconds: float = 300) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for component in self.components:
                if not self._alive(component):
                    tail = (self.home / f"{component}.log").read_text(errors="replace")[-2000:]
                    msg = f"airflow {component} ended at once; {self.home / component}.log says:\n{tail}"
                    raise LocalAirflowError(msg)
            try:
                health = requests.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
                parts = ("metadatabase", *(name.replace("-", "_") for name in self.components[1:]))
                if all(health[part]["status"] == "healthy" for part in parts):
                    return
            except (requests.RequestException, ValueError, KeyError):
                pass
            time.sleep(0.3)
        msg = f"Airflow did not get healthy within {seconds:.0f} s; see the logs in {self.home}"
        raise LocalAirflowError(msg)


def start_process(command: list[str], pid_file: Path, log: IO[bytes], env: dict[str, str], cwd: Path) -> None:
    """Start a process in a session of its own and write its pid down."""
    process = subprocess.Popen(
        command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
    )
    pid_file.write_text(str(process.pid))
    _CHILDREN[process.pid] = process


def process_alive(pid_file: Path) -> bool:
    """Tell whether the process of a pid file still runs (a zombie does not count)."""
    try:
        pid = int(pid_file.read_text())
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError, IndexError):
        return False
    return state != "Z"


def descendants(pid: int) -> list[int]:
    """Give the processes that a process started, and theirs; workers lead sessions of their own."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            children.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    found, todo = [], [pid]
    while todo:
        mine = children.get(todo.pop(), [])
        found += mine
        todo += mine
    return found


def stop_process(pid_file: Path, seconds: float = 15, sign: signal.Signals = signal.SIGTERM) -> bool:
    """End the process group of a pid file, by force if it does not listen; tells whether it was running."""
    if not process_alive(pid_file):
        pid_file.unlink(missing_ok=True)
        return False
    pid = int(pid_file.read_text())
    for each in (sign, signal.SIGKILL):
        try:
            os.killpg(pid, each)
        except ProcessLookupError:
            break
        end = time.monotonic() + seconds
        while process_alive(pid_file) and time.monotonic() < end:
            time.sleep(0.1)
    child = _CHILDREN.pop(pid, None)
    if child is not None:
        child.wait()
    pid_file.unlink(missing_ok=True)
    return True


def port_taken(port: int) -> bool:
    """Tell whether something listens on the port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """Give a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user may read."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
