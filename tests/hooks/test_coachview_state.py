"""What processes share: changed in turn, private, encrypted where it must be, and never needed to go on."""

from __future__ import annotations

import json
import multiprocessing
import stat
import threading
from typing import TYPE_CHECKING

import pytest
from cryptography.fernet import Fernet

from moodle_coupling.hooks.coachview_state import SharedState, file_name

if TYPE_CHECKING:
    from pathlib import Path


def count_up(path: Path | None, state: SharedState | None = None) -> None:
    state = state or SharedState(path)
    for _ in range(200):
        with state.held() as document:
            document["count"] = document.get("count", 0) + 1


def test_processes_change_it_in_turn(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "x.budget"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=count_up, args=(path,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert json.loads(path.read_text()) == {"count": 800}


@pytest.mark.parametrize("on_disk", [True, False])
def test_threads_change_it_in_turn(tmp_path: Path, *, on_disk: bool) -> None:
    state = SharedState(tmp_path / "x.budget" if on_disk else None)
    threads = [threading.Thread(target=count_up, args=(None, state)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with state.held() as document:
        assert document == {"count": 800}


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "x.budget"
    count_up(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_sealed_it_is_not_to_be_read_without_the_key(tmp_path: Path) -> None:
    path, key = tmp_path / "x.token", Fernet(Fernet.generate_key())
    with SharedState(path, key).held() as document:
        document["token"] = "geheim"
    assert b"geheim" not in path.read_bytes()
    with SharedState(path, key).held() as document:
        assert document == {"token": "geheim"}


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1]", b"\xff\xfe", b"null", Fernet(Fernet.generate_key()).encrypt(b"{}")],
    ids=["nothing", "half", "a list", "no text", "null", "another key"],
)
@pytest.mark.parametrize("sealed", [True, False])
def test_what_cannot_be_read_counts_as_empty_and_is_written_over(
    tmp_path: Path, content: bytes, *, sealed: bool
) -> None:
    path, key = tmp_path / "x", Fernet(Fernet.generate_key()) if sealed else None
    path.write_bytes(content)
    with SharedState(path, key).held() as document:
        assert document == {}
        document["a"] = 1
    with SharedState(path, key).held() as document:
        assert document == {"a": 1}


def test_where_no_file_can_be_made_it_is_kept_in_memory_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    state = SharedState(tmp_path / "file" / "x.budget")
    for _ in range(2):
        with state.held() as document:
            document["count"] = document.get("count", 0) + 1
    assert document == {"count": 2}
    assert caplog.text.count("nothing is shared") == 1


@pytest.mark.parametrize("broken", ["flock", "write"])
def test_a_disk_that_fails_is_no_reason_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        f"moodle_coupling.hooks.coachview_state.{'fcntl.flock' if broken == 'flock' else '_write_all'}", fail
    )
    state = SharedState(tmp_path / "x")
    count_up(None, state)
    with state.held() as document:
        assert document == {"count": 200}
    assert caplog.text.count("No space left on device") == 1


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("{}")
    (tmp_path / "x").symlink_to(target)
    count_up(tmp_path / "x")
    assert target.read_text() == "{}"


def test_what_was_changed_before_an_error_is_kept(tmp_path: Path) -> None:
    state = SharedState(tmp_path / "x")

    def change_and_fail() -> None:
        with state.held() as document:
            document["a"] = 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change_and_fail()
    with state.held() as document:
        assert document == {"a": 1}


def test_a_files_name_tells_nothing_and_differs_for_other_values() -> None:
    assert "client" not in file_name("token", "https://x", "client")
    assert file_name("token", "a", "bc") != file_name("token", "ab", "c")
