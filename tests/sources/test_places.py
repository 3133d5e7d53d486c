"""Where files lie: one file, the newest of several, and files that are being written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from moodle_coupling.errors import SourceError, SourceUnavailable
from moodle_coupling.sources.files import places as object_storage
from moodle_coupling.sources.files.places import Storage, open_storage, take

if TYPE_CHECKING:
    import fsspec


def write(folder: Path, **ages: int) -> None:
    """Write files that are so many hours old; their content is their name."""
    for name, age in ages.items():
        path = folder / f"{name.replace('_', '-')}.csv"
        path.write_text(name)
        os.utime(path, (1_700_000_000 - 3600 * age,) * 2)


class TestDisk:
    def test_a_file_is_taken_whole_with_when_it_was_written(self, tmp_path):
        write(tmp_path, persons=3)
        taken = take(f"{tmp_path}/persons.csv", "name")
        assert (taken.data, taken.where) == (b"persons", f"{tmp_path}/persons.csv")
        assert taken.modified.timestamp() == 1_700_000_000 - 3 * 3600

    def test_a_file_address_is_a_path(self, tmp_path):
        write(tmp_path, persons=0)
        assert take(f"file://{tmp_path}/persons.csv", "name").data == b"persons"

    def test_the_newest_by_name_counts_numbers_by_size(self, tmp_path):
        write(tmp_path, persons_9=0, persons_10=5, other=0)
        taken = take(f"{tmp_path}/persons-*.csv", "name")
        assert taken.where == f"{tmp_path}/persons-10.csv"
        assert take(f"{tmp_path}/persons-?.csv", "name").data == b"persons_9"

    def test_the_newest_by_date_in_the_name(self, tmp_path):
        write(tmp_path, persons_2024_12_31=0, persons_2025_01_01=9)
        assert take(f"{tmp_path}/persons-*.csv", "name").data == b"persons_2025_01_01"

    def test_the_newest_by_when_it_changed(self, tmp_path):
        write(tmp_path, persons_9=0, persons_10=5)
        assert take(f"{tmp_path}/persons-*.csv", "modified").data == b"persons_9"

    def test_of_two_that_changed_together_the_name_decides(self, tmp_path):
        write(tmp_path, persons_9=1, persons_10=1, persons_2=1)
        assert take(f"{tmp_path}/persons-*.csv", "modified").data == b"persons_10"

    def test_brackets_in_a_pattern_are_brackets(self, tmp_path):
        (tmp_path / "persons[1]-a.csv").write_text("right")
        (tmp_path / "persons1-b.csv").write_text("wrong")
        assert take(f"{tmp_path}/persons[1]-*.csv", "name").data == b"right"

    def test_when_nothing_is_called_that_the_folder_is_told(self, tmp_path):
        write(tmp_path, people=0)
        (tmp_path / "persons-map").mkdir()
        with pytest.raises(SourceError, match=r"persons-\*.* no file is called that .* are: people\.csv\."):
            take(f"{tmp_path}/persons-*", "name")

    def test_a_full_folder_is_not_told_whole(self, tmp_path):
        for number in range(9):
            (tmp_path / f"{number}.txt").touch()
        with pytest.raises(SourceError, match=r"4\.txt and 4 more"):
            take(f"{tmp_path}/*.csv", "name")

    @pytest.mark.parametrize("where", ["none.csv", "none/*.csv"])
    def test_what_is_not_there_is_told_with_the_key(self, tmp_path, where):
        with pytest.raises(SourceError, match=r"does not exist \(source.path\)"):
            take(f"{tmp_path}/{where}", "name")

    def test_a_folder_is_no_file(self, tmp_path):
        with pytest.raises(SourceError, match=r"cannot be read \(source.path\)"):
            take(str(tmp_path), "name")

    def test_a_file_that_changes_meanwhile_is_not_taken(self, tmp_path, monkeypatch):
        path = tmp_path / "persons.csv"
        path.write_text("1;Jan\n")
        read = Path.read_bytes

        def read_while_written(self):
            data = read(self)
            with path.open("a") as file:
                file.write("2;Piet\n")
            return data

        monkeypatch.setattr(Path, "read_bytes", read_while_written)
        with pytest.raises(SourceUnavailable, match="it is probably being written"):
            take(str(path), "name")


class TestObjectStorage:
    def test_a_file_and_the_newest_of_several(self, memory: fsspec.AbstractFileSystem):
        memory.pipe("/school/in/persons-10.csv", b"ten")
        memory.pipe("/school/in/persons-9.csv", b"nine")
        memory.pipe("/school/in/old/persons-99.csv", b"elsewhere")
        assert take("memory://school/in/persons-9.csv", "name").data == b"nine"
        newest = take("memory://school/in/persons-*.csv", "name")
        assert (newest.data, newest.where) == (b"ten", "memory://school/in/persons-10.csv")
        assert take("memory://school/in/persons-*.csv", "modified").data == b"nine"
        assert newest.modified is not None

    def test_a_connection_is_the_one_before_the_at(self, memory: fsspec.AbstractFileSystem, connect):
        from airflow.sdk.io import attach

        connect("archive", "aws")
        attach("memory", "archive", fs=memory)
        memory.pipe("/school/persons.csv", b"1")
        assert take("memory://archive@school/persons.csv", "name").data == b"1"

    def test_what_is_not_there_is_told(self, memory):
        with pytest.raises(SourceError, match=r"memory://school/none.csv does not exist \(source.path\)"):
            take("memory://school/none.csv", "name")

    def test_a_folder_is_told(self, memory: fsspec.AbstractFileSystem):
        memory.pipe("/school/in/persons.csv", b"1")
        with pytest.raises(SourceError, match="is a folder"):
            take("memory://school/in", "name")

    @pytest.mark.parametrize(
        ("where", "cure"),
        [
            ("s3://school/persons.csv", r"airflow-moodle-coupling\[s3\]"),
            ("gs://school/persons.csv", r"airflow-moodle-coupling\[gcs\]"),
            ("abfs://school/persons.csv", r"airflow-moodle-coupling\[azure\]"),
            ("tape://school/persons.csv", "install the Airflow provider for it"),
        ],
    )
    def test_a_provider_that_is_not_installed_is_told_with_what_to_install(self, where, cure):
        with pytest.raises(SourceError, match=f"knows no '{where.partition(':')[0]}' addresses here.*{cure}"):
            take(where, "name")

    def test_so_it_is_when_a_connection_is_named(self, connect):
        connect("archive", "aws")
        with pytest.raises(SourceError, match=r"knows no 's3' addresses here.*airflow-moodle-coupling\[s3\]"):
            take("s3://archive@school/persons.csv", "name")

    @pytest.mark.parametrize("scheme", ["sftp", "memory"])
    def test_a_connection_that_is_not_there_is_told(self, scheme):
        with pytest.raises(SourceError, match=r"NotFound.*nowhere"):
            take(f"{scheme}://nowhere@/persons.csv", "name")

    def test_what_was_listed_before_is_listed_anew(self):
        class Forgetful:
            """Lists from memory until it is told to forget, as S3's file system does."""

            def __init__(self) -> None:
                self.now, self.then = 2, 1

            def invalidate_cache(self) -> None:
                self.then = self.now

            def ls(self, folder: str, *, detail: bool) -> list[dict[str, object]]:
                return [{"name": f"/in/{number}.csv", "size": 1, "mtime": 0} for number in range(self.then)]

        assert len(Storage(Forgetful(), "x://in").files("/in")) == 2

    @pytest.mark.parametrize(
        ("told", "seconds"),
        [
            ({"mtime": 1_700_000_000.5}, 1_700_000_000.5),
            ({"updated": "2023-11-14T22:13:20Z"}, 1_700_000_000),
            ({"LastModified": "2023-11-14T23:13:20+01:00"}, 1_700_000_000),
        ],
    )
    def test_every_storage_tells_in_its_own_way_when_a_file_changed(self, told, seconds):
        class System:
            def invalidate_cache(self) -> None:
                pass

            def info(self, path: str) -> dict[str, object]:
                return {"name": path, "size": 3, **told}

        assert Storage(System(), "x://").stat("/a").modified.timestamp() == seconds

    def test_a_storage_that_does_not_tell_cannot_be_asked_for_the_newest_by_it(self, memory, monkeypatch):
        memory.pipe("/school/persons-1.csv", b"1")

        def modified(path: str) -> None:
            raise NotImplementedError

        monkeypatch.setattr(memory, "modified", modified)
        assert take("memory://school/persons-*.csv", "name").modified is None
        with pytest.raises(SourceError, match=r"source\.newest_by: name"):
            take("memory://school/persons-*.csv", "modified")

    def test_fewer_bytes_than_it_has_are_not_taken(self, memory, monkeypatch):
        memory.pipe("/school/persons.csv", b"PersonId\n1\n2\n")
        monkeypatch.setattr(memory, "cat_file", lambda path: b"PersonId\n1\n")
        with pytest.raises(SourceUnavailable, match="11 bytes came, it has 13"):
            take("memory://school/persons.csv", "name")

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("NoCredentialsError", SourceError),
            ("PermissionDenied", SourceError),
            ("HostKeyNotVerifiable", SourceError),
            ("ConnectionLost", SourceUnavailable),
            ("EndpointConnectionError", SourceUnavailable),
        ],
    )
    def test_who_is_not_let_in_need_not_try_again_and_who_lost_the_connection_may(
        self, memory, monkeypatch, name, kind
    ):
        def cat_file(path: str) -> bytes:
            raise type(name, (Exception,), {})("see https://school.example.org/x?sig=a-secret for more")

        memory.pipe("/school/persons.csv", b"1")
        monkeypatch.setattr(memory, "cat_file", cat_file)
        with pytest.raises(kind, match=f"memory://school/persons.csv cannot be read.*{name}") as caught:
            take("memory://school/persons.csv", "name")
        assert "a-secret" not in str(caught.value)

    def test_a_storage_that_does_not_answer_is_not_waited_for_for_ever(self, memory, monkeypatch):
        import threading

        never = threading.Event()
        memory.pipe("/school/persons.csv", b"1")
        monkeypatch.setattr(memory, "info", lambda path: never.wait())
        monkeypatch.setattr(object_storage, "_LOOK_SECONDS", 0.01)
        with pytest.raises(SourceUnavailable, match=r"no answer within 0\.01 seconds"):
            take("memory://school/persons.csv", "name")
        never.set()


class TestSftp:
    def test_a_drop_with_a_password(self, sftp):
        write(sftp, persons_9=0, persons_10=5)
        assert take("sftp://drop@/persons-9.csv", "name").data == b"persons_9"
        assert take("sftp://drop@/persons-*.csv", "name").where == "sftp://drop@/persons-10.csv"
        newest = take("sftp://drop@/persons-*.csv", "modified")
        assert newest.data == b"persons_9"
        assert newest.modified.timestamp() == 1_700_000_000

    def test_the_host_may_stand_in_the_address_too(self, sftp):
        write(sftp, persons=0)
        assert take("sftp://drop@127.0.0.1/persons.csv", "name").data == b"persons"

    def test_what_is_not_there(self, sftp):
        with pytest.raises(SourceError, match="does not exist"):
            take("sftp://drop@/persons.csv", "name")

    def test_a_wrong_password_is_no_passing_trouble(self, sftp_folder, connect):
        connect("wrong", "sftp", host="127.0.0.1", port=sftp_folder[1], login="school", password="b", extra={})
        with pytest.raises(SourceError, match="Look at the connection"):
            open_storage("sftp://wrong@/persons.csv")

    def test_a_server_that_is_away_is(self, connect, free_port):
        connect("away", "sftp", host="127.0.0.1", port=free_port, login="school", password="b", extra={})
        with pytest.raises(SourceUnavailable, match=r"sftp://away@/persons\.csv"):
            open_storage("sftp://away@/persons.csv")
