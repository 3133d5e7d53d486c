"""What a mapping file that is wrong still says: enough to fail at its own time, and to tell its own people."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from moodle_coupling.mapping.checks import did_you_mean
from moodle_coupling.mapping.document import read_document
from moodle_coupling.mapping.model import Mapping
from moodle_coupling.mapping.parts import Schedule
from moodle_coupling.mapping.safeguards import Notify, connection_id

if TYPE_CHECKING:
    from collections.abc import Iterator

DAILY: Final = "0 6 * * *"
"""When a DAG of a wrong file runs, and fails, where its own schedule cannot be read any more."""

_BLOCK: Final = re.compile(r"^(?=[A-Za-z_]+[ \t]*:)", re.MULTILINE)
_CONFLICT: Final = re.compile(r"^(<<<<<<<|=======|>>>>>>>).*$", re.MULTILINE)
"""What Git leaves in a file where two changes meet."""
_Part = TypeVar("_Part", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Remains:
    """The keys of a wrong mapping file that can be relied on; '' and nobody for what cannot."""

    connection: str = ""
    title: str = ""
    schedule: Schedule = field(default_factory=lambda: Schedule(provision=DAILY, reconcile=DAILY))
    notify: Notify = field(default_factory=Notify)


def remains_of(raw: bytes) -> Remains:
    """Give what the bytes of a mapping file still say.

    Each key is read by itself, so that one that is wrong takes no other along, not even where the whole is no YAML. A
    schedule that is left out means by hand only, as in a good file; one that is wrong, misspelt or gone means DAILY.
    """
    said = _top_keys(raw)
    if not said:
        return Remains()
    misspelt = any(did_you_mean(key, ["schedule"]) for key in said.keys() - Mapping.model_fields.keys())
    unsaid = Remains().schedule if misspelt else Schedule()
    return Remains(
        connection=_connection(said.get("connection")),
        title=title if isinstance(title := said.get("title"), str) else "",
        schedule=_schedule(said["schedule"]) if "schedule" in said else unsaid,
        notify=_kept(Notify, said.get("notify")),
    )


def _top_keys(raw: bytes) -> dict[str, Any]:
    whole = read_document(raw).data
    if isinstance(whole, dict):
        return whole
    said: dict[str, Any] = {}
    for key, value in _blocks(raw.decode("utf-8-sig", errors="replace")):
        said.setdefault(key, value)
    return said


def _blocks(text: str) -> Iterator[tuple[str, Any]]:
    """Give the top keys of a text that is no YAML as a whole, each read alone; what is no YAML is ()."""
    for block in _BLOCK.split(_CONFLICT.sub("", text)):
        if key := re.match(r"[A-Za-z_]+", block):
            data = read_document(block.encode("utf-8", errors="replace")).data
            yield key[0], data.get(key[0]) if isinstance(data, dict) else ()


def _connection(value: Any) -> str:
    try:
        return connection_id(value) if isinstance(value, str) else ""
    except ValueError:
        return ""


def _schedule(value: Any) -> Schedule:
    if value is None:
        return Schedule()
    if not isinstance(value, dict):
        return Remains().schedule
    good = _kept(Schedule, value)
    lost = {key: DAILY for key in ("provision", "reconcile") if value.get(key) and not getattr(good, key)}
    return good.model_copy(update=lost)


def _kept(model: type[_Part], value: Any) -> _Part:
    """Give a part of the file with those of its keys that are right."""
    kept = {}
    for key, each in value.items() if isinstance(value, dict) else ():
        try:
            model.model_validate({key: each})
        except ValidationError:
            continue
        kept[key] = each
    return model.model_validate(kept)
