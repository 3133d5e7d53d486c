"""The ledger's address: what is taken, what is refused, and that no secret is ever told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from moodle_coupling.ledger.errors import LedgerSchemaError, LedgerUnavailable, LedgerUrlError
from moodle_coupling.ledger.ledger import open_ledger
from moodle_coupling.ledger.schema import current, describe, read_address, upgrade
from moodle_coupling.settings import default_ledger_url

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:////srv/ledger.db", "sqlite+pysqlite"),
        ("postgresql://u:s3cret@db.example.org/ledger", "postgresql+psycopg"),
        ("postgres://u:s3cret@db.example.org/ledger", "postgresql+psycopg"),
        ("postgresql+psycopg://u:s3cret@db.example.org/ledger", "postgresql+psycopg"),
    ],
)
def test_addresses_as_people_write_them_are_understood(url: str, driver: str) -> None:
    assert read_address(url).drivername == driver


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "is not an address"),
        ("s3cret", "is not an address"),
        ("mysql://u:s3cret@db.example.org/ledger", "does not know"),
        ("postgresql+asyncpg://u:s3cret@db.example.org/ledger", "does not know"),
        ("postgresql://u:s3cret@db.example.org:port/ledger", "is not an address"),
        ("sqlite://", "in memory forgets"),
        ("sqlite:///:memory:", "in memory forgets"),
        ("sqlite:///ledger.db", "absolute path"),
    ],
)
def test_other_addresses_are_refused_without_repeating_them(url: str, says: str) -> None:
    with pytest.raises(LedgerUrlError, match=says) as refused:
        read_address(url)
    assert "ledger_url" in str(refused.value)
    assert "s3cret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_description_holds_neither_password_nor_options() -> None:
    described = describe(read_address("postgresql://u:s3cret@db.example.org/ledger?sslpassword=al50s3cret"))
    assert str(described) == "PostgreSQL database 'ledger' on db.example.org"


def test_the_default_is_a_file_below_airflow_home(tmp_path: Path) -> None:
    assert default_ledger_url(tmp_path) == f"sqlite:///{tmp_path}/moodle_coupling/ledger.db"


def test_the_file_and_its_folder_are_for_the_service_alone(tmp_path: Path) -> None:
    url = default_ledger_url(tmp_path)
    upgrade(url)
    file = tmp_path / "moodle_coupling" / "ledger.db"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_opening_what_is_not_there_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(LedgerSchemaError, match="moodle-coupling db upgrade"):
        open_ledger(default_ledger_url(tmp_path))
    assert current(default_ledger_url(tmp_path)) == ""
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_answer_is_unavailable_and_no_secret_shows(tmp_path: Path) -> None:
    url = f"postgresql://u:s3cret@/ledger?host={tmp_path}&application_name=al50s3cret"
    with pytest.raises(LedgerUnavailable, match="cannot be used") as failed:
        open_ledger(url)
    assert "s3cret" not in str(failed.value) + str(failed.value.__cause__)


def test_a_file_that_is_no_database_is_told_as_such(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    file.write_text("this is not a database, but it is long enough to be mistaken for one" * 20)
    with pytest.raises(LedgerUnavailable, match="not a database"):
        open_ledger(f"sqlite:///{file}")


def test_a_folder_that_cannot_be_made_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerSchemaError, match="Choose a folder"):
        upgrade(f"sqlite:///{tmp_path}/file/ledger.db")
