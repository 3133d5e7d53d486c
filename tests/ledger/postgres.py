"""A PostgreSQL server for the tests: from the installed binaries, in a folder of its own, gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import psycopg

_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=60")
_TRIES = 600
DEBIAN = Path("/usr/lib/postgresql")


class PostgresMissing(Exception):
    """There is no PostgreSQL to start. ``must_be_there`` where leaving the tests out would hide a failure."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: the ledger was not tried on PostgreSQL. scripts/test_services.sh installs it.")
        self.must_be_there = os.environ.get("CI", "").lower() == "true"


@dataclass
class Postgres:
    """A running server; it listens on a unix socket in ``folder`` and nowhere else."""

    folder: Path
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, *options: str) -> Postgres:
        programs = find_programs()
        folder = Path(tempfile.mkdtemp(prefix="mc-pg-", dir="/tmp"))  # a socket's path holds 107 characters at most
        user = _user()
        if user is not None:
            shutil.chown(folder, user)
        data = folder / "data"
        subprocess.run(
            [programs / "initdb", "-D", data, "-A", "trust", "-U", "ledger", "-E", "UTF8", "--locale=C.UTF-8", "-N"],
            check=True,
            capture_output=True,
            user=user,
            cwd="/",
        )
        settings = [f"-c{option}" for option in (options or _FAST)]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [programs / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", *settings],
                stdout=log,
                stderr=log,
                user=user,
                cwd="/",
            )
        server = cls(folder, process)
        server._wait()
        return server

    def new_database(self, template: str = "template1") -> str:
        """Make a database and give its address."""
        name = f"t{uuid.uuid4().hex}"
        with psycopg.connect(host=str(self.folder), user="ledger", dbname="postgres", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql://ledger@/{database}?host={self.folder}"

    def stop(self) -> None:
        self.process.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait(self) -> None:
        for _ in range(_TRIES):
            try:
                psycopg.connect(host=str(self.folder), user="ledger", dbname="postgres").close()
            except psycopg.OperationalError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
            else:
                return
        raise RuntimeError("PostgreSQL does not start: " + (self.folder / "log").read_text())


def find_programs() -> Path:
    """Give the folder of initdb and postgres, of the newest version there is; raises PostgresMissing."""
    versions = [
        folder for folder in DEBIAN.glob("*/bin") if (folder / "initdb").exists() and (folder / "postgres").exists()
    ]
    if versions:
        return max(versions, key=lambda folder: int(folder.parent.name))
    on_path = shutil.which("initdb")
    if on_path is None:
        raise PostgresMissing("No initdb and postgres found (/usr/lib/postgresql/*/bin, PATH)")
    return Path(on_path).resolve().parent


def _user() -> str | None:
    """PostgreSQL refuses to run as root: as root, Debian's user 'postgres' runs it, else 'nobody'."""
    if os.geteuid() != 0:
        return None
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
