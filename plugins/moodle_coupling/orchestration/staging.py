"""The staging area: every arrow of a run is one Parquet file in the run's own folder (local disk or object storage)."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from moodle_coupling import settings
from moodle_coupling.contract.frames import staged
from moodle_coupling.errors import SettingError
from moodle_coupling.settings import SECTION
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    import pandas as pd
    from airflow.sdk import ObjectStoragePath

    from moodle_coupling.contract.facts import Told

_Kind = TypeVar("_Kind", bound="Told")
_STAMP: Final = "%Y%m%dT%H%M%SZ"
TRACES: Final = "trace.txt"
"""The file of a run for some persons that tells of each, step by step."""
_PRIVATE_FOLDER: Final = 0o700
_PRIVATE_FILE: Final = 0o600


def staging_root() -> ObjectStoragePath:
    """Give ``[moodle_coupling] staging_url``; by default a folder below AIRFLOW_HOME.

    An object store's listings are asked for anew each time: s3fs would keep them for as long as the process lives, and not see
    what another worker wrote meanwhile.
    """
    from airflow.sdk import ObjectStoragePath

    return ObjectStoragePath(settings.staging_url(), use_listings_cache=False)


def folder_of(environment: str, run_after: dt.datetime, dag_id: str, run_id: str) -> ObjectStoragePath:
    """Give where the folder of one run is, or would be: nothing is made."""
    stamp = run_after.astimezone(dt.UTC).strftime(_STAMP)
    return staging_root() / environment / f"{stamp}__{re.sub(r'[^A-Za-z0-9_.-]', '_', f'{dag_id}__{run_id}')}"


def run_folder(environment: str, run_after: dt.datetime, dag_id: str, run_id: str) -> ObjectStoragePath:
    """Give the folder of one run, made if it is not there; readable by the service's own user only."""
    return made(folder_of(environment, run_after, dag_id, run_id))


def made(folder: ObjectStoragePath) -> ObjectStoragePath:
    """Make a folder of the staging area, if it is not there, and give it.

    On a local disk it and every folder up to the staging area's own are for the service's user only, whatever the umask and
    whoever made them: persons stand in their files. Raises SettingError where one is somebody else's.
    """
    if not _is_local(folder):
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    root, path = Path(staging_root().path), Path(folder.path)
    root.parent.mkdir(parents=True, exist_ok=True)
    for one in (root, *reversed([one for one in (path, *path.parents) if root in one.parents])):
        one.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
        try:
            one.chmod(_PRIVATE_FOLDER)
        except PermissionError as error:
            said = Sentence("staging.other_owner", folder=str(one), option=f"[{SECTION}] staging_url")
            raise SettingError(said) from error
    return folder


def copy(file: ObjectStoragePath, folder: ObjectStoragePath) -> None:
    """Copy a file of the staging area into another folder of it, whole or not at all."""
    _write_whole(folder / file.name, file.read_bytes())


def write_frame(folder: ObjectStoragePath, name: str, frame: pd.DataFrame) -> str:
    """Write a frame as ``<name>.parquet``, whole or not at all; gives the digest of the file."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    _write_whole(folder / f"{name}.parquet", buffer.getvalue())
    return hashlib.sha256(buffer.getbuffer()).hexdigest()


def write_text(folder: ObjectStoragePath, name: str, text: str) -> None:
    """Write a text file (UTF-8), whole or not at all."""
    _write_whole(folder / name, text.encode())


def read_frame(folder: ObjectStoragePath, name: str, *, checked: bool = True, digest: str = "") -> pd.DataFrame:
    """Read a frame; a :class:`SettingError` says what is likely wrong when it is not there, or not as contract.frames declares it.

    Without ``checked`` its columns are taken as they come. With ``digest`` it must be the very file of which
    :func:`write_frame` gave that.
    """
    import pandas as pd

    path = folder / f"{name}.parquet"
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise SettingError(_not_there(path)) from error
    if digest and hashlib.sha256(data).hexdigest() != digest:
        raise SettingError(Sentence("staging.altered", file=str(path)))
    frame = pd.read_parquet(io.BytesIO(data))
    declared = staged(name) if checked else None
    wrong = declared.misfit(frame) if declared else None
    if wrong:
        kind = "wrong" if wrong.came and wrong.wanted else "strange" if wrong.came else "no"
        said = {"file": str(path), "column": wrong.column, "wanted": wrong.wanted, "came": wrong.came}
        raise SettingError(Sentence(f"staging.{kind}_column", **said))
    return frame


def write_facts(folder: ObjectStoragePath, facts: Told) -> None:
    """Write what a step tells, whole or not at all."""
    write_text(folder, facts.FILE, facts.model_dump_json())


def find_facts(folder: ObjectStoragePath, kind: type[_Kind]) -> _Kind | None:
    """Read what a step told; None when it did not. Raises ValueError where the file is not whole."""
    path = folder / kind.FILE
    return kind.model_validate_json(path.read_text()) if path.exists() else None


def read_facts(folder: ObjectStoragePath, kind: type[_Kind]) -> _Kind:
    """Read what a step told; a :class:`SettingError` says what is likely wrong when it did not."""
    found = find_facts(folder, kind)
    if found is None:
        raise SettingError(_not_there(folder / kind.FILE))
    return found


def drop_facts(folder: ObjectStoragePath, kind: type[Told]) -> None:
    """Take back what a step told, if it did."""
    (folder / kind.FILE).unlink(missing_ok=True)


def has_frame(folder: ObjectStoragePath, name: str) -> bool:
    """Tell whether ``<name>.parquet`` is in the folder."""
    return bool((folder / f"{name}.parquet").exists())


def drop_frames(folder: ObjectStoragePath, prefix: str) -> None:
    """Remove the frames ``<prefix><number>`` of a plan before this one, if there are any."""
    for file in folder.iterdir():
        if file.name.startswith(prefix) and file.name.endswith(".parquet"):
            file.unlink()


class FolderKeeper:
    """Keeps the pieces of a snapshot in a run's folder (a provisioning.keeping.Keeper)."""

    def __init__(self, folder: ObjectStoragePath) -> None:
        self._folder = folder

    def has(self, name: str) -> bool:
        """Tell whether that piece was kept."""
        return has_frame(self._folder, f"piece-{name}")

    def put(self, name: str, frame: pd.DataFrame) -> None:
        """Keep a piece."""
        write_frame(self._folder, f"piece-{name}", frame)

    def get(self, name: str) -> pd.DataFrame:
        """Give a piece."""
        return read_frame(self._folder, f"piece-{name}")


def sweep(environment: str, *, now: dt.datetime) -> int:
    """Remove the folders of runs older than ``[moodle_coupling] staging_days`` (default 14); they hold personal data.

    Returns how many were removed.
    """
    oldest = now - dt.timedelta(days=settings.staging_days())
    removed = 0
    for folder in (staging_root() / environment).iterdir():
        made = _made_at(folder.name)
        if made is not None and made < oldest:
            folder.rmdir(recursive=True)
            removed += 1
    return removed


def _not_there(path: ObjectStoragePath) -> Sentence:
    return Sentence("staging.not_there", file=str(path), section=SECTION)


def _write_whole(target: ObjectStoragePath, data: bytes) -> None:
    if not _is_local(target):
        target.write_bytes(data)  # one put: an object store shows it whole or not at all
        return
    draft = Path(f"{target.path}.part")
    with open(draft, "wb", opener=_private) as file:  # Path.open takes no opener
        os.fchmod(file.fileno(), _PRIVATE_FILE)  # one that a try before this one left
        file.write(data)
    draft.replace(target.path)


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, _PRIVATE_FILE)


def _made_at(name: str) -> dt.datetime | None:
    try:
        return dt.datetime.strptime(name.split("__", maxsplit=1)[0], _STAMP).replace(tzinfo=dt.UTC)
    except ValueError:
        return None


def _is_local(path: ObjectStoragePath) -> bool:
    return path.protocol in {"", "file", "local"}
