"""The people in a sandbox Coachview: kept in memory, changed with their audit trail as Coachview changes it."""

from __future__ import annotations

import datetime as dt
import random
import threading
import uuid
from typing import TYPE_CHECKING, Any

from moodle_coupling.errors import SettingError
from moodle_coupling.sandbox.coachview.fields import (
    AUDIT,
    CATEGORIES,
    CHANGED,
    CREATED,
    EXTRA,
    FREE,
    PERSON_FIELDS,
    RELATIONS,
    Field,
    FreeFields,
    Kind,
    Person,
    Rules,
    is_guid,
)
from moodle_coupling.sandbox.coachview.filters import Snapshot
from moodle_coupling.sandbox.coachview.refusals import bad_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from moodle_coupling.sandbox.coachview.fields import FreeField


PARTS, ENROLMENTS = "Opleidingsonderdelen", "Opleidingsvragen"
# ---- The e-learning parts of trainings and who is enrolled, in a sandbox Coachview.
#
# What the keys of such a row are called is known of very few (docs/sandbox-coachview.md): rows are kept and answered as
# they are given, so that a test may have any of them under another name.

Record = dict[str, Any]
_BY = "Sandbox"


class _Rows:
    """Rows by id, in the order in which they were added. ``stamp`` gives the local time as Coachview writes it."""

    def __init__(self, stamp: Callable[[], str], free_fields: FreeFields) -> None:
        self.stamp = stamp
        self.free_fields = free_fields
        self._lock = threading.RLock()
        self._by_id: dict[str, Record] = {}
        self._snapshots: dict[Rules, Snapshot] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def all(self) -> list[Record]:
        """Return every row; what is in it must not be changed."""
        with self._lock:
            return list(self._by_id.values())

    def get(self, record_id: str) -> Record | None:
        """Return a row, None where there is none of that id."""
        return self._by_id.get(record_id)

    def snapshot(self, rules: Rules) -> Snapshot:
        """Return every row as of now, to be searched by these rules."""
        with self._lock:
            found = self._snapshots.get(rules)
            if found is None:
                found = self._snapshots[rules] = Snapshot(list(self._by_id.values()), rules)
            return found

    def _audit(self, row: Record) -> None:
        """Give a new row its audit trail, as far as it has none."""
        trail = row.get(AUDIT, {})
        moment = trail.get(CHANGED) or trail.get(CREATED) or self.stamp()
        row[AUDIT] = {CREATED: moment, "aangemaaktDoor": _BY, CHANGED: moment, "gewijzigdDoor": _BY, **trail}


class Records(_Rows):
    """The rows of one list."""

    def __init__(self, stamp: Callable[[], str], free_fields: FreeFields) -> None:
        super().__init__(stamp, free_fields)
        self._fields: dict[str, Field] = {}

    def add(self, rows: Iterable[Record]) -> list[str]:
        """Add rows and return their ids; without an id or an audit trail they get one. Raises :class:`SettingError`."""
        with self._lock:
            return [self._put({"id": str(uuid.uuid4()), **row}, new=True) for row in rows]

    def change(self, record_id: str, changes: Record) -> Record:
        """Change a row and stamp its audit trail. Raises :class:`SettingError`."""
        with self._lock:
            if record_id not in self._by_id:
                raise SettingError(f"The sandbox Coachview has no row {record_id!r} in this list.")
            trail = {**self._by_id[record_id][AUDIT], CHANGED: self.stamp(), "gewijzigdDoor": _BY}
            self._put({**self._by_id[record_id], AUDIT: trail, **changes, "id": record_id}, new=False)
            return self._by_id[record_id]

    def remove(self, record_ids: Iterable[str]) -> None:
        """Take rows away without a trace."""
        with self._lock:
            for record_id in record_ids:
                self._by_id.pop(record_id, None)
            self._forget()

    def field_named(self, name: str) -> Field:
        """Return the field that a filter or order names, letter case aside. Raises :class:`Refusal` for what no row has, if there are any."""
        with self._lock:
            if not self._fields:
                paths = {path: value for row in self._by_id.values() for path, value in _paths(row)}
                self._fields = {".".join(path).lower(): Field(path, _kind(path, paths[path])) for path in paths}
            found = self._fields.get(name.lower())
        if found is None and not self._by_id:
            return Field(tuple(name.split(".")))  # without rows nothing is known of their keys
        if found is None:
            raise bad_request(f"'{name}' is not a field of this list.")
        return found

    @property
    def keys(self) -> list[str]:
        """The keys that any row has, in the order in which they came."""
        with self._lock:
            return list(dict.fromkeys(key for row in self._by_id.values() for key in row if key != FREE))

    def _put(self, row: Record, *, new: bool) -> str:
        record_id = row["id"]
        self._audit(row)
        if not is_guid(record_id):
            raise SettingError(f"The id of a row must be a GUID in small letters, not {record_id!r}.")
        if new and record_id in self._by_id:
            raise SettingError(f"The id {record_id!r} is there already.")
        unknown = set(row.get(FREE, ())) - self.free_fields.codes
        if unknown:
            raise SettingError(f"Row {record_id}: free field {min(unknown)!r} has no definition.")
        self._by_id[record_id] = row
        self._forget()
        return str(record_id)

    def _forget(self) -> None:
        self._snapshots.clear()
        self._fields.clear()


def _paths(row: Record, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in row.items():
        if isinstance(value, dict):
            yield from _paths(value, (*above, key))
        else:
            yield (*above, key), value


def _kind(path: tuple[str, ...], value: Any) -> Kind:
    if path == ("id",):
        return Kind.GUID
    if path in ((AUDIT, CREATED), (AUDIT, CHANGED)):
        return Kind.MOMENT
    return Kind.YES_NO if isinstance(value, bool) else Kind.TEXT


# ---- invented ones ---------------------------------------------------------------------------------------------------

TRAININGS = ("BHV", "EHBO", "VCA", "HACCP", "AVG", "TAAL")
ENVIRONMENT = "7f1d3c52-0000-4000-8000-00000000e001"
"""The e-learning environment of the invented parts."""
_STATES = ("Ingeschreven", "Ingeschreven", "Ingeschreven", "Ingeschreven", "Afgerond", "Geannuleerd")


def invented_parts() -> Iterator[Record]:
    """Give two parts of each invented training: one in a classroom, and one of e-learning."""
    for number, code in enumerate(TRAININGS, 1):
        training = _guid(0xA0, number)
        yield {
            "id": _guid(0xB0, number),
            "opleidingId": training,
            "naam": f"{code} praktijk",
            "lesvormId": "Klassikaal",
        }
        yield {
            "id": _guid(0xC0, number),
            "opleidingId": training,
            "naam": f"{code} e-learning",
            "lesvormId": "Elearning",
            "elearningOmgevingId": ENVIRONMENT,
            "elearningCode": f"{code}-2027",
        }


def invented_enrolments(people: Iterable[Person], *, seed: int = 1) -> Iterator[Record]:
    """Give who is enrolled: of each person in one to three of the invented trainings, one in six of them withdrawn."""
    rng = random.Random(seed)  # noqa: S311 - invented
    number = 0
    for person in people:
        for place in rng.sample(range(len(TRAININGS)), rng.randint(1, 3)):
            number += 1
            begins = dt.date(2027, 1, 1) + dt.timedelta(days=7 * rng.randrange(40))
            yield {
                "id": _guid(0xD0, number),
                "persoonId": person["id"],
                "opleidingId": _guid(0xA0, place + 1),
                "status": rng.choice(_STATES),
                "startDatum": f"{begins}T00:00:00",
                "eindDatum": f"{begins + dt.timedelta(days=180)}T00:00:00",
            }


def _guid(kind: int, number: int) -> str:
    return f"{kind:08x}-0000-4000-8000-{number:012x}"


# ---- The people in a sandbox Coachview ----

_PARTS: dict[str, set[str]] = {
    top: {field.path[1] for field in PERSON_FIELDS if field.path[0] == top and len(field.path) > 1}
    for top in dict.fromkeys(field.path[0] for field in PERSON_FIELDS)
}
"""The keys of a person, each with the keys below it."""
_FREE_FORM = {FREE: dict, CATEGORIES: list, EXTRA: dict, RELATIONS: list}


class People(_Rows):
    """All people."""

    def __init__(self, stamp: Callable[[], str], free_fields: Iterable[FreeField]) -> None:
        super().__init__(stamp, FreeFields(free_fields))
        self._extern: dict[tuple[str, str], str] = {}

    def add(self, people: Iterable[Person]) -> list[str]:
        """Add people and return their ids; without an id or an audit trail they get one.

        All or nothing. Raises :class:`SettingError` for a key that a person does not have, an id that is no GUID in small
        letters or there already, or an externId that is there already under the same externSource.
        """
        with self._lock:
            added: list[str] = []
            try:
                for person in people:
                    added.append(self._add(person))  # noqa: PERF401 - those before a wrong one are taken out again
            except SettingError:
                self.remove(added)
                raise
            self._snapshots.clear()
            return added

    def change(self, person_id: str, changes: dict[str, Any]) -> Person:
        """Change a person and stamp the audit trail; parts such as ``adres`` and ``vrijevelden`` are merged.

        An ``auditTrail`` among the changes goes before the stamp. Raises :class:`SettingError`.
        """
        with self._lock:
            old = self._by_id.get(person_id)
            if old is None:
                raise SettingError(f"The sandbox Coachview has no person {person_id!r}.")
            trail = {**old[AUDIT], CHANGED: self.stamp(), "gewijzigdDoor": _BY, "etag": uuid.uuid4().hex}
            new = {**old, **{key: _merged(old.get(key), value) for key, value in changes.items()}}
            new[AUDIT] = {**trail, **changes.get(AUDIT, {})}
            if new["id"] != person_id:
                raise SettingError(f"A person's id does not change: {person_id!r}.")
            self._check(new)
            self._claim(new, instead_of=old)
            self._by_id[person_id] = new
            self._snapshots.clear()
            return new

    def deactivate(self, person_ids: Iterable[str]) -> None:
        """Set people inactive, which is how one leaves in Coachview. Raises :class:`SettingError`."""
        for person_id in person_ids:
            self.change(person_id, {"inactief": True})

    def remove(self, person_ids: Iterable[str]) -> None:
        """Take people away without a trace; no feed tells of it."""
        with self._lock:
            for person_id in person_ids:
                person = self._by_id.pop(person_id, None)
                if person is not None:
                    self._extern.pop(_extern_key(person), None)
            self._snapshots.clear()

    # ---- one person --------------------------------------------------------------------------------------------------

    def _add(self, given: Person) -> str:
        person = {"inactief": False, **given}
        person.setdefault("id", str(uuid.uuid4()))
        self._audit(person)
        self._check(person)
        person_id = str(person["id"])
        if person_id in self._by_id:
            raise SettingError(f"Person id {person_id!r} is there already.")
        self._claim(person)
        self._by_id[person_id] = person
        return person_id

    def _check(self, person: Person) -> None:
        if not is_guid(person["id"]):
            raise SettingError(f"A person's id must be a GUID in small letters, not {person['id']!r}.")
        for key, value in person.items():
            if key in _FREE_FORM:
                if not isinstance(value, _FREE_FORM[key]):
                    raise SettingError(f"Person {person['id']}: '{key}' must be a {_FREE_FORM[key].__name__}.")
            elif key not in _PARTS:
                raise SettingError(f"A person has no key {key!r}. It knows: {', '.join([*_PARTS, *_FREE_FORM])}.")
            elif _PARTS[key] and not (isinstance(value, dict) and _PARTS[key].issuperset(value)):
                raise SettingError(
                    f"Person {person['id']}: '{key}' must be an object with keys of {', '.join(sorted(_PARTS[key]))}."
                )
        if not isinstance(person["inactief"], bool):
            raise SettingError(f"Person {person['id']}: 'inactief' must be true or false.")
        unknown = set(person.get(FREE, ())) - self.free_fields.codes
        if unknown:
            raise SettingError(f"Person {person['id']}: free field {min(unknown)!r} has no definition.")

    def _claim(self, person: Person, instead_of: Person | None = None) -> None:
        """Keep externId and externSource together unique, letter case aside, as Coachview does."""
        key = _extern_key(person)
        if key[0] and self._extern.get(key, person["id"]) != person["id"]:
            raise SettingError(
                f"externId {person['externId']!r} is there already under externSource {person.get('externSource', '')!r}."
            )
        if instead_of is not None:
            self._extern.pop(_extern_key(instead_of), None)
        if key[0]:
            self._extern[key] = person["id"]


def _extern_key(person: Person) -> tuple[str, str]:
    return str(person.get("externId") or "").casefold(), str(person.get("externSource") or "").casefold()


def _merged(old: Any, new: Any) -> Any:
    return {**old, **new} if isinstance(old, dict) and isinstance(new, dict) else new
