"""What a scale test runs on, each a process of its own on 127.0.0.1: PostgreSQL, Redis, an S3-compatible server, Celery workers."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from localairflow import (
    BIN,
    ROOT,
    LocalAirflow,
    LocalAirflowError,
    descendants,
    free_port,
    port_taken,
    process_alive,
    start_process,
    stop_process,
)
from scale_count import Peaks, kilobytes

sys.path.append(str(ROOT / "tests"))

from ledger.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

BUCKET: Final = "moodle-coupling"
STORE: Final = "scale_store"
"""The connection by which Airflow reaches the object store."""
_KEY, _SECRET = "scale", "scale-test-secret"  # the server that we start takes any
_AT_A_TIME: Final = 3


def waited(true: Callable[[], Any], what: str, seconds: float) -> Any:
    """Wait until something is true and give it; raises LocalAirflowError when that takes longer."""
    end = time.monotonic() + seconds
    while not (found := true()):
        if time.monotonic() > end:
            msg = f"waited {seconds:.0f} s in vain until {what}"
            raise LocalAirflowError(msg)
        time.sleep(0.3)
    return found


@dataclass
class Service:
    """One program that listens on ``port``; its files stand in ``folder`` and begin with ``name``."""

    name: str
    folder: Path
    port: int
    command: Sequence[str]
    environment: Mapping[str, str]

    @property
    def pid_file(self) -> Path:
        """Where its process id stands."""
        return self.folder / f"{self.name}.pid"

    def start(self) -> None:
        """Start it and wait until it listens."""
        with (self.folder / f"{self.name}.log").open("ab") as log:
            start_process(list(self.command), self.pid_file, log, dict(self.environment), self.folder)
        waited(lambda: port_taken(self.port), f"{self.name} listens; see {self.folder / self.name}.log", 120)

    def stop(self) -> None:
        """End it, if it runs."""
        stop_process(self.pid_file)


def redis(folder: Path) -> Service:
    """Give the broker. It writes down what it is told (appendonly), so that a restart loses no task."""
    port = free_port()
    keep = ["--appendonly", "yes", "--save", "", "--dir", str(folder)]
    return Service(
        "redis", folder, port, ["redis-server", "--bind", "127.0.0.1", "--port", str(port), *keep], os.environ
    )


class ObjectStore(Service):
    """moto's S3 server: buckets in memory, over real HTTP."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        super().__init__("s3", folder, port, [str(BIN / "moto_server"), "-H", "127.0.0.1", "-p", str(port)], os.environ)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def connection(self) -> dict[str, Any]:
        """The fields of Airflow's connection to it."""
        extra = f'{{"endpoint_url": "{self.url}", "region_name": "us-east-1"}}'
        return {"conn_type": "aws", "login": _KEY, "password": _SECRET, "extra": extra}

    def client(self) -> Any:
        """Give a boto3 client for it."""
        import boto3

        known = {"aws_access_key_id": _KEY, "aws_secret_access_key": _SECRET, "region_name": "us-east-1"}
        return boto3.client("s3", endpoint_url=self.url, **known)


def postgresql(max_connections: int = 200) -> Postgres:
    """Start PostgreSQL, reached over TCP as by workers on other machines, as durable as it is by default."""
    port = free_port()
    os.environ["PGPORT"] = str(port)  # of the server, and of whoever asks whether it is there
    return Postgres.start("listen_addresses=127.0.0.1", f"max_connections={max_connections}")


def postgresql_url(database: str, driver: str = "") -> str:
    """Give the address of one of its databases, for SQLAlchemy with that driver."""
    return f"postgresql{driver and f'+{driver}'}://ledger@127.0.0.1:{os.environ['PGPORT']}/{database}"


@dataclass
class Worker:
    """A Celery worker with folders of its own, as on a machine of its own: AIRFLOW_HOME, HOME, TMPDIR, mapping files."""

    name: str
    home: Path
    airflow: LocalAirflow

    def start(self) -> None:
        """Start it; `ready` waits until it takes tasks."""
        for folder in (self.home / "tmp", self.home / "home"):
            folder.mkdir(parents=True, exist_ok=True)
        own = {
            "AIRFLOW_HOME": str(self.home),
            "HOME": str(self.home / "home"),
            "TMPDIR": str(self.home / "tmp"),
            "AIRFLOW__MOODLE_COUPLING__MAPPINGS_FOLDER": str(self.home / "include/mappings"),
        }
        command = [
            str(BIN / "airflow"),
            "celery",
            "worker",
            "--skip-serve-logs",
            "-c",
            str(_AT_A_TIME),
            "-H",
            self.name,
        ]
        self._log.unlink(missing_ok=True)  # what a worker before it said
        with self._log.open("ab") as log:
            start_process(command, self.pid_file, log, self.airflow.environment | own, self.home)

    def ready(self) -> None:
        """Wait until it takes tasks."""
        waited(
            lambda: b" ready." in self._log.read_bytes() or not self.alive,
            f"{self.name} is ready; see {self._log}",
            300,
        )
        if not self.alive:
            msg = f"{self.name} ended at once; see {self._log}"
            raise LocalAirflowError(msg)

    @property
    def _log(self) -> Path:
        return self.home / "worker.log"

    @property
    def pid_file(self) -> Path:
        """Where its process id stands."""
        return self.home / "worker.pid"

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return process_alive(self.pid_file)

    @property
    def processes(self) -> list[int]:
        """It and all that it started."""
        if not self.alive:
            return []
        pid = int(self.pid_file.read_text())
        return [pid, *descendants(pid)]

    def kill(self) -> int:
        """End it and all it started at once (SIGKILL), as a power cut does; gives how many processes that were."""
        processes = self.processes
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        stop_process(self.pid_file, seconds=5, sign=signal.SIGKILL)
        return len(processes)

    def stop(self) -> None:
        """End it in good order."""
        processes = self.processes
        stop_process(self.pid_file, seconds=30)
        for pid in processes:  # tasks lead sessions of their own
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class MemoryWatch:
    """Looks every second how much memory the workers take."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self.peaks = Peaks()
        self._workers = workers
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(1):
            for worker in self._workers:
                self.peaks.note(worker.name, [_size(pid) for pid in worker.processes])


def _size(pid: int) -> tuple[int, int]:
    try:
        return kilobytes(Path(f"/proc/{pid}/smaps_rollup").read_text())
    except OSError:
        return 0, 0  # it ended meanwhile
