"""The staging area keeps frames whole, private, and not for ever."""

from __future__ import annotations

import datetime as dt
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from moodle_coupling.errors import SettingError
from moodle_coupling.orchestration import staging

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.clock

NOW = dt.datetime(2026, 11, 25, 8, 0, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _staged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__STAGING_URL", f"file://{tmp_path}/staging")


def test_a_frame_comes_back_as_it_was(tmp_path: Path) -> None:
    folder = staging.run_folder("demo", NOW, "dag", "manual__2026-11-25T08:00:00+00:00")
    frame = pd.DataFrame({"row": pd.array([1, None], "Int64"), "firstname": ["Zoë", ""]})
    staging.write_frame(folder, "persons", frame)
    pd.testing.assert_frame_equal(staging.read_frame(folder, "persons"), frame)
    assert staging.has_frame(folder, "persons")
    assert not staging.has_frame(folder, "plan")


def test_every_task_of_a_run_finds_the_same_folder_and_only_the_owner_may_read_it() -> None:
    one = staging.run_folder("demo", NOW, "dag", "manual__2026-11-25T08:00:00+00:00")
    two = staging.run_folder("demo", NOW, "dag", "manual__2026-11-25T08:00:00+00:00")
    assert str(one) == str(two)
    assert Path(one.path).stat().st_mode & 0o077 == 0


@pytest.fixture
def _open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_open_umask")
def test_folders_and_files_are_private_whatever_the_umask_and_whoever_was_before_us(tmp_path: Path) -> None:
    left = tmp_path / "staging" / "demo"
    left.mkdir(parents=True)
    (tmp_path / "staging").chmod(0o777)
    folder = staging.run_folder("demo", NOW, "dag", "r")
    (Path(folder.path) / "persons.parquet.part").write_bytes(b"of a try that was killed")
    staging.write_frame(folder, "persons", pd.DataFrame({"firstname": ["Zoë"]}))
    staging.write_text(folder, "trace.txt", "Zoë")
    kept = staging.made(staging.staging_root() / "demo" / "known__1")
    staging.copy(folder / "persons.parquet", kept)
    staging.write_frame(staging.made(folder / "known"), "persons", pd.DataFrame({"firstname": ["Zoë"]}))

    inside = [tmp_path / "staging", *(tmp_path / "staging").rglob("*")]
    assert len(inside) == 9
    assert {stat.S_IMODE(one.stat().st_mode) for one in inside if one.is_dir()} == {0o700}
    assert {stat.S_IMODE(one.stat().st_mode) for one in inside if one.is_file()} == {0o600}


def test_a_run_id_cannot_leave_the_staging_area(tmp_path: Path) -> None:
    folder = staging.run_folder("demo", NOW, "dag", "../../etc/x y")
    assert Path(folder.path).resolve().parent == tmp_path / "staging" / "demo"


def test_a_frame_that_is_not_there_says_what_to_do() -> None:
    folder = staging.run_folder("demo", NOW, "dag", "r")
    with pytest.raises(SettingError, match="staging_days"):
        staging.read_frame(folder, "plan")


def test_old_runs_are_swept_and_young_ones_and_strange_folders_stay(tmp_path: Path) -> None:
    for days in (0, 13, 15, 400):
        folder = staging.run_folder("demo", NOW - dt.timedelta(days=days), "dag", f"run{days}")
        staging.write_frame(folder, "persons", pd.DataFrame({"a": [1]}))
    (tmp_path / "staging/demo/notes").mkdir()
    assert staging.sweep("demo", now=NOW) == 2
    left = sorted(path.name.rpartition("__")[2] for path in (tmp_path / "staging/demo").iterdir())
    assert left == ["notes", "run0", "run13"]
