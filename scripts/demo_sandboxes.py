"""The stand-ins of the demo: sandbox Moodles and a sandbox Coachview, each a process on 127.0.0.1."""

from __future__ import annotations

import json
import os
import secrets
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import requests
from localairflow import (
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
COACHVIEW_PEOPLE: Final = HOME / "include/samples/coachview.json"


@dataclass(frozen=True)
class Sandbox(ABC):
    """One stand-in; its files in ``home`` begin with its name, and its connection is ``connection``."""

    name: str
    connection: str
    wanted_port: int
    home: Path = HOME
    secret_variable: ClassVar[str]
    """The environment variable by which the process takes its secret, which is on no command line."""

    @property
    def port(self) -> int:
        """The port it listens on, or will."""
        return int(self._file("port").read_text()) if self.running else self.wanted_port

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return process_alive(self._file("pid"))

    @property
    def secret(self) -> str:
        """Its token or client secret, made once."""
        path = self._file("token")
        if not path.exists():
            write_private(path, secrets.token_hex(16))
        return path.read_text().strip()

    def start(self) -> None:
        """Start it unless it runs, and wait until it answers."""
        if self.running:
            return
        command = [str(BIN / "moodle-coupling"), "sandbox", *self._arguments(), "--port", str(self.wanted_port)]
        with self._file("log").open("ab") as log:
            start_process(command, self._file("pid"), log, {**os.environ, self.secret_variable: self.secret}, ROOT)
        self._file("port").write_text(str(self.wanted_port))
        end = time.monotonic() + 30
        while self.running and time.monotonic() < end:
            try:
                self.control("GET", "state")
            except requests.ConnectionError:
                time.sleep(0.1)
            else:
                return
        msg = f"the sandbox {self.name} did not start; see {self._file('log')}"
        raise LocalAirflowError(msg)

    def stop(self) -> bool:
        """Stop it; tells whether it was running."""
        return stop_process(self._file("pid"))

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Ask one of its control paths below /sandbox/; gives the JSON."""
        answer = requests.request(method, f"{self.url}/sandbox/{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()

    @abstractmethod
    def connect(self, airflow: LocalAirflow, **extra: Any) -> None:
        """Make its connection in Airflow, or give that other advanced settings."""

    @abstractmethod
    def _arguments(self) -> list[str]:
        """Give its kind, and what it starts with."""

    def _file(self, ending: str) -> Path:
        return self.home / f"{self.name}.{ending}"


class Moodle(Sandbox):
    """A sandbox Moodle with 300 accounts, which outlive it."""

    secret_variable = "MOODLE_SANDBOX_TOKEN"  # noqa: S105 - the name of a variable

    def connect(self, airflow: LocalAirflow, **extra: Any) -> None:
        """Make its connection in Airflow, or give that other advanced settings."""
        airflow.put_connection(
            self.connection,
            conn_type="moodle",
            host=self.url,
            password=self.secret,
            description="A sandbox Moodle of the demo",
            extra=json.dumps(extra),
        )

    def accounts(self) -> list[dict[str, Any]]:
        """Give every account."""
        found: list[dict[str, Any]] = self.control("GET", "state")["accounts"]
        return found

    def _arguments(self) -> list[str]:
        state = self._file("sqlite")
        samples = ROOT / "include/samples"
        begin = ["--accounts", str(samples / "accounts.csv"), "--access", str(samples / "school.json")]
        begin = [] if state.exists() else begin
        return ["moodle", "--state", str(state), *begin]


class Coachview(Sandbox):
    """A sandbox Coachview. It keeps nothing itself: ``stop`` writes its people down for the next start."""

    secret_variable = "COACHVIEW_SANDBOX_CLIENT_SECRET"  # noqa: S105 - the name of a variable
    client_id: ClassVar[str] = "demo"

    def connect(self, airflow: LocalAirflow, **extra: Any) -> None:
        """Make its connection in Airflow, or give that other advanced settings."""
        airflow.put_connection(
            self.connection,
            conn_type="coachview",
            host=self.url,
            login=self.client_id,
            password=self.secret,
            description="The sandbox Coachview of the demo",
            extra=json.dumps({"allow_http": True, **extra}),
        )

    def stop(self) -> bool:
        """Write its people down and stop it; tells whether it was running."""
        if self.running:
            self.keep()
        return super().stop()

    def keep(self) -> None:
        """Write down who is in it now."""
        content = json.loads(COACHVIEW_PEOPLE.read_text(encoding="utf-8"))
        content["personen"] = self.control("GET", "people")
        COACHVIEW_PEOPLE.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    def requests_since(self, last: int = 0) -> int:
        """Give how many requests it got, but for the first ``last``."""
        return len(self.control("GET", "calls")) - last

    def _arguments(self) -> list[str]:
        return ["coachview", "--people", str(COACHVIEW_PEOPLE), "--client-id", self.client_id]


@dataclass(frozen=True)
class Sandboxes:
    """The demo's three: of the environment demo a Moodle and a Coachview, of demo_file a Moodle."""

    moodle: Moodle
    file_moodle: Moodle
    coachview: Coachview

    @classmethod
    def on(cls, moodle_port: int, coachview_port: int) -> Sandboxes:
        """Give them on these ports; the second Moodle is one above the first."""
        return cls(
            Moodle("moodle", "moodle_demo", moodle_port),
            Moodle("moodle_file", "moodle_demo_file", moodle_port + 1),
            Coachview("coachview", "coachview_demo", coachview_port),
        )

    @property
    def all(self) -> tuple[Sandbox, ...]:
        """All three."""
        return (self.moodle, self.file_moodle, self.coachview)

    def refuse_taken_ports(self, airflow: LocalAirflow) -> None:
        """Raise where another program listens on a port that is needed, or two of ours would share one."""
        wanted = {
            "AIRFLOW_PORT": (airflow.port, process_alive(airflow.home / "api-server.pid")),
            "MOODLE_PORT": (self.moodle.wanted_port, self.moodle.running),
            "MOODLE_PORT + 1": (self.file_moodle.wanted_port, self.file_moodle.running),
            "COACHVIEW_PORT": (self.coachview.wanted_port, self.coachview.running),
        }
        if len({port for port, _ in wanted.values()}) < len(wanted):
            told = ", ".join(f"{name}={port}" for name, (port, _) in wanted.items())
            msg = f"these must be different ports: {told}"
            raise LocalAirflowError(msg)
        for name, (port, ours) in wanted.items():
            if not ours and port_taken(port):
                say = f"{name.partition(' ')[0]}={port + 100}"
                msg = f"port {port} ({name}) on 127.0.0.1 is taken by another program. Choose another: make demo {say}"
                raise LocalAirflowError(msg)
