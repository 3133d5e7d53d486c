# ruff: noqa: S608  # statements of these tests
"""Every source as the contract's tests use it: filled with persons, changed, and made to deliver half."""

from __future__ import annotations

import csv
import io
import sqlite3
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd
import psycopg
from openpyxl import Workbook

from moodle_coupling.mapping import Mapping
from moodle_coupling.sandbox.coachview import Fault, FaultKind
from moodle_coupling.sources.kinds import open_source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pytest

    from moodle_coupling.sandbox.coachview import SandboxCoachview
    from moodle_coupling.sources.contract import Source

Person = dict[str, str]
HEADINGS = ("PersonId", "ExternId", "Voornaam", "Tussenvoegsel", "Achternaam", "Email", "Inactief", "Plaats")


class Case(ABC):
    """One kind of source. ``incremental``: mode changed gives less than everyone."""

    incremental = False

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.folder: Path = request.getfixturevalue("tmp_path")
        self.use: Callable[[str], Any] = request.getfixturevalue

    @abstractmethod
    def fill(self, persons: Sequence[Person]) -> None:
        """Let the source hold these persons (by HEADINGS) and nobody else; who is new or other has changed now."""

    @abstractmethod
    def settings(self) -> Any:
        """Give ``source:`` of the mapping file."""

    @abstractmethod
    def halve(self) -> None:
        """Let the next read break off half-way, or give fewer persons than there are said to be."""

    def open(self, **more: Any) -> Source:
        said = self.settings()
        source = [each | more for each in said] if isinstance(said, list) else said | more
        return open_source(
            Mapping.model_validate(
                {"environment": "demo", "connection": "moodle_demo", "idnumber": "person_id", "source": source}
            ),
            self.folder,
        )


def csv_bytes(persons: Sequence[Person]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, HEADINGS, delimiter=";", restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(persons)
    return text.getvalue().encode()


class CsvFile(Case):
    name = "persons.csv"

    def fill(self, persons: Sequence[Person]) -> None:
        (self.folder / self.name).write_bytes(self.content(persons))

    def content(self, persons: Sequence[Person]) -> bytes:
        return csv_bytes(persons)

    def settings(self) -> Any:
        return {"path": self.name}

    def halve(self) -> None:
        path = self.folder / self.name
        path.write_bytes(path.read_bytes()[:-12])


class XlsxFile(CsvFile):
    name = "persons.xlsx"

    def content(self, persons: Sequence[Person]) -> bytes:
        book = Workbook()
        book.active.append(list(HEADINGS))
        for person in persons:
            book.active.append([person.get(heading) for heading in HEADINGS])
        data = io.BytesIO()
        book.save(data)
        return data.getvalue()


class ParquetFile(CsvFile):
    name = "persons.parquet"

    def content(self, persons: Sequence[Person]) -> bytes:
        frame = pd.DataFrame(
            [{heading: person.get(heading) for heading in HEADINGS} for person in persons], dtype="str"
        )
        return frame.reindex(columns=list(HEADINGS)).astype("str").to_parquet(index=False)


class ObjectStorage(Case):
    """The newest of several in an object storage."""

    def fill(self, persons: Sequence[Person]) -> None:
        system = self.use("memory")
        system.pipe("/school/drop/persons-9.csv", csv_bytes([]))
        system.pipe("/school/drop/persons-10.csv", csv_bytes(persons))

    def settings(self) -> Any:
        return {"path": "memory://school/drop/persons-*.csv"}

    def halve(self) -> None:
        system = self.use("memory")
        whole = system.cat_file
        self.use("monkeypatch").setattr(system, "cat_file", lambda path: whole(path)[:-12])


class Sftp(Case):
    def fill(self, persons: Sequence[Person]) -> None:
        (self.use("sftp") / "persons.csv").write_bytes(csv_bytes(persons))

    def settings(self) -> Any:
        return {"path": "sftp://drop@/persons.csv"}

    def halve(self) -> None:
        path = self.use("sftp") / "persons.csv"
        path.write_bytes(path.read_bytes()[:-12])


class Database(Case, ABC):
    incremental = True

    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__(request)
        self._persons: dict[str, Person] = {}
        self._changes = 0
        columns = ", ".join(f"{heading} text" for heading in HEADINGS)
        self.run(
            f"CREATE TABLE people (line integer, {columns}, changed {self.moment})",
            "CREATE TABLE said (persons integer)",
        )

    moment = "text"

    @abstractmethod
    def run(self, *statements: str | tuple[str, Sequence[Any]]) -> None:
        """Run statements in one transaction."""

    def fill(self, persons: Sequence[Person]) -> None:
        self._changes += 1
        now = f"2026-03-0{self._changes} 12:00:00"
        marks = ", ".join([self.mark] * (len(HEADINGS) + 2))
        statements: list[Any] = []
        keys = [person.get("PersonId", "") for person in persons]
        statements += [
            (f"DELETE FROM people WHERE PersonId = {self.mark}", [key]) for key in self._persons if key not in keys
        ]
        for line, person in enumerate(persons):
            if self._persons.get(keys[line]) != person:
                statements.append((f"DELETE FROM people WHERE PersonId = {self.mark}", [keys[line]]))
                values = [line, *(person.get(heading) or None for heading in HEADINGS), now]
                statements.append((f"INSERT INTO people VALUES ({marks})", values))
        self._persons = dict(zip(keys, persons, strict=True))
        self.run(*statements, "DELETE FROM said", f"INSERT INTO said VALUES ({len(persons)})")

    def settings(self) -> Any:
        return {
            "type": "sql",
            "connection": self.connection,
            "query": "SELECT * FROM people ORDER BY line",
            "count": "SELECT persons FROM said",
            "changed_column": "changed",
        }

    def halve(self) -> None:
        self.run("UPDATE said SET persons = persons + 1")


class Sqlite(Database):
    mark, connection = "?", "hr_sqlite"

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._path = request.getfixturevalue("tmp_path") / "hr.db"
        request.getfixturevalue("connect")(self.connection, "sqlite", host=str(self._path))
        super().__init__(request)

    def run(self, *statements: str | tuple[str, Sequence[Any]]) -> None:
        connection = sqlite3.connect(self._path)
        with connection:
            for statement in statements:
                connection.execute(*([statement] if isinstance(statement, str) else statement))
        connection.close()


class PostgreSql(Database):
    mark, connection, moment = "%s", "hr_postgres", "timestamp"

    def __init__(self, request: pytest.FixtureRequest) -> None:
        server = request.getfixturevalue("postgres")
        self._url = server.new_database()
        database = self._url.split("@/")[1].split("?")[0]
        request.getfixturevalue("connect")(
            self.connection, "postgres", host=str(server.folder), login="ledger", schema=database
        )
        super().__init__(request)

    def run(self, *statements: str | tuple[str, Sequence[Any]]) -> None:
        with psycopg.connect(self._url) as connection:
            for statement in statements:
                connection.execute(*([statement] if isinstance(statement, str) else statement))


class Several(Sqlite):
    """A database, and a file that knows some of the same persons."""

    incremental = False

    def fill(self, persons: Sequence[Person]) -> None:
        super().fill(persons)
        (self.folder / "extra.csv").write_bytes(csv_bytes(persons[:1]))

    def settings(self) -> Any:
        return [super().settings(), {"path": "extra.csv"}]

    def open(self, **more: Any) -> Source:
        said = self.settings()
        return open_source(
            Mapping.model_validate(
                {
                    "environment": "demo",
                    "connection": "moodle_demo",
                    "idnumber": "person_id",
                    "source": [said[0] | more, said[1]],
                }
            ),
            self.folder,
        )


class Coachview(Case):
    """Coachview, in which the person id is another key than ``id``; who is not new or other changed days ago."""

    incremental = True
    _keys: ClassVar[dict[str, str]] = {
        "PersonId": "geboorteplaats",
        "ExternId": "externId",
        "Voornaam": "voornaam",
        "Tussenvoegsel": "tussenvoegsels",
        "Achternaam": "achternaam",
        "Email": "email1",
    }

    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__(request)
        self.site: SandboxCoachview = request.getfixturevalue("coachview")
        self._ids: dict[str, str] = {}
        self._persons: dict[str, Person] = {}

    def fill(self, persons: Sequence[Person]) -> None:
        people = {person["PersonId"]: self._as_coachview(person) for person in persons}
        before = {} if self._ids else {"auditTrail": {"gewijzigdDatumTijd": "2026-03-01T12:00:00"}}
        for key in [key for key in self._ids if key not in people]:
            self.site.people.remove([self._ids.pop(key)])
        for key, person in people.items():
            if key not in self._ids:
                (self._ids[key],) = self.site.people.add([person | before])
            elif person != self._persons[key]:
                self.site.people.change(self._ids[key], person)
        self._persons = people

    def _as_coachview(self, person: Person) -> Any:
        given = {key: person[heading] for heading, key in self._keys.items() if heading in person}
        return given | {"inactief": person.get("Inactief") == "ja", "adres": {"plaats": person.get("Plaats", "")}}

    def settings(self) -> Any:
        return {"type": "coachview", "connection": "coachview_demo"}

    def open(self, **more: Any) -> Source:
        if "columns" in more:
            more["columns"] = {
                name: "adres.plaats" if heading == "Plaats" else heading for name, heading in more["columns"].items()
            }
        return super().open(**more)

    def halve(self) -> None:
        self.site.faults.add(Fault(FaultKind.SHORT_PAGE))


CASES: tuple[type[Case], ...] = (
    CsvFile,
    XlsxFile,
    ParquetFile,
    ObjectStorage,
    Sftp,
    Sqlite,
    PostgreSql,
    Several,
    Coachview,
)
"""A new kind of source is added here, and must then keep the contract."""
