"""The staging area keeps frames whole, private, and not for ever."""

from __future__ import annotations

import datetime as dt
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from moodle_coupling.contract.frames import PLAN, STAGED, Frame, staged
from moodle_coupling.errors import SettingError
from moodle_coupling.orchestration import staging
from moodle_coupling.people.table import empty, made

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.clock

NOW = dt.datetime(2026, 11, 25, 8, 0, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _staged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__STAGING_URL", f"file://{tmp_path}/staging")


def test_a_frame_comes_back_as_it_was(tmp_path: Path) -> None:
    folder = staging.run_folder("demo", NOW, "dag", "manual__2026-11-25T08:00:00+00:00")
    frame = pd.DataFrame({"row": pd.array([1, None], "Int64"), "firstname": ["Zoë", ""]})
    staging.write_frame(folder, "piece-1", frame)
    pd.testing.assert_frame_equal(staging.read_frame(folder, "piece-1"), frame)
    assert staging.has_frame(folder, "piece-1")
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


@pytest.mark.parametrize("frame", STAGED.values(), ids=list(STAGED))
def test_every_declared_frame_without_rows_comes_back_as_declared(frame: Frame) -> None:
    folder = staging.run_folder("demo", NOW, "dag", "r")
    staging.write_frame(folder, frame.name, empty(frame))
    back = staging.read_frame(folder, frame.name)
    assert {str(name): str(dtype) for name, dtype in back.dtypes.items()} == frame.dtypes


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda plan: plan.drop(columns="drift"), "plan.parquet has no column 'drift' (str)."),
        (lambda plan: plan.assign(row=1.5), "plan.parquet: column 'row' holds float64 and not Int64."),
        (lambda plan: plan.assign(mood="fine"), "plan.parquet has a column 'mood' (str) that does not belong there."),
    ],
)
def test_a_frame_that_is_not_as_declared_names_file_column_and_what_came(
    change: Callable[[pd.DataFrame], pd.DataFrame], said: str
) -> None:
    folder = staging.run_folder("demo", NOW, "dag", "r")
    row = dict.fromkeys(PLAN.texts, "") | {"row": 1, "account_id": 2, "decision": None}
    staging.write_frame(folder, "plan", change(made(PLAN, [row])))
    with pytest.raises(SettingError) as wrong:
        staging.read_frame(folder, "plan")
    assert said in str(wrong.value)
    assert "Run the earlier task again." in str(wrong.value)


def test_the_outcomes_of_a_part_are_declared_too() -> None:
    assert staged("outcomes-0012") is STAGED["outcomes"]
    assert staged("piece-1") is None


def test_old_runs_are_swept_and_young_ones_and_strange_folders_stay(tmp_path: Path) -> None:
    for days in (0, 13, 15, 400):
        folder = staging.run_folder("demo", NOW - dt.timedelta(days=days), "dag", f"run{days}")
        staging.write_frame(folder, "persons", pd.DataFrame({"a": [1]}))
    (tmp_path / "staging/demo/notes").mkdir()
    assert staging.sweep("demo", now=NOW) == 2
    left = sorted(path.name.rpartition("__")[2] for path in (tmp_path / "staging/demo").iterdir())
    assert left == ["notes", "run0", "run13"]


def test_no_path_of_the_staging_area_lets_a_store_keep_its_listings() -> None:
    # s3fs keeps what it listed for as long as the process lives, and would not see what another worker wrote meanwhile.
    folder = staging.folder_of("demo", NOW, "dag", "r")
    for path in (staging.staging_root(), folder, folder / "plan.parquet", folder.parent):
        assert path.storage_options["use_listings_cache"] is False
