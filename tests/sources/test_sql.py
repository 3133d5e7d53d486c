"""A database as a source: SQLite and PostgreSQL, for real."""

# ruff: noqa: S608  # statements of these tests
from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from airflow.sdk import BaseHook
from sources.cases import PostgreSql, Sqlite

from moodle_coupling.errors import SourceError, SourceUnavailable
from moodle_coupling.sources.contract import Mode, Wanted
from moodle_coupling.sources.database import session as sql_session
from moodle_coupling.sources.database.session import Session, _begin, reading
from moodle_coupling.sources.database.settings import SqlSource
from moodle_coupling.sources.database.source import SqlReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sources.cases import Database


@pytest.fixture(params=[Sqlite, PostgreSql], ids=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    return request.param(request)


@pytest.fixture
def postgresql(request: pytest.FixtureRequest) -> PostgreSql:
    return PostgreSql(request)


def reader(database: Database, **settings: Any) -> SqlReader:
    if not {"table", "query"} & settings.keys():
        settings["table"] = "people"
    made = SqlSource(type="sql", connection=database.connection, **settings)
    return SqlReader(made, made.where(database.folder))


def numbered(number: int) -> list[dict[str, str]]:
    return [{"PersonId": str(at), "Voornaam": f"Naam {at}"} for at in range(1, number + 1)]


class TestReading:
    def test_a_table_is_read_in_chunks_and_nobody_is_lost_between_them(self, database):
        database.fill(numbered(250))
        extract = reader(database, chunk_size=100).extract(Wanted())
        assert sorted(map(int, extract.persons["person_id"])) == list(range(1, 251))
        assert extract.persons["row"].tolist() == list(range(1, 251))
        assert extract.notes["rows"] == "250"

    def test_types_become_texts(self, postgresql):
        postgresql.run(
            "CREATE TABLE staff (person_id bigint, voornaam text, geboren date, uren numeric(8,2), inactief boolean,"
            " fte double precision, gezien timestamptz, rollen text[], sleutel uuid, extra jsonb)",
            "INSERT INTO staff VALUES (1042, 'Zoë', '2000-05-01', 36.00, true, 0.8, '2024-05-01 00:00+02', "
            "'{Docent,Mentor}', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{\"a\": 1}'),"
            " (7, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
        )
        columns = {"free1": "geboren", "free2": "uren", "free3": "fte", "free4": "gezien", "categories": "rollen"}
        columns |= {"extern_id": "sleutel", "free5": "extra"}
        first, second = (
            reader(postgresql, table="public.staff", columns=columns).extract(Wanted()).persons.to_dict("records")
        )
        assert (first["person_id"], first["firstname"], first["inactive"]) == ("1042", "Zoë", True)
        assert (first["free1"], first["free2"], first["free3"]) == ("2000-05-01", "36", "0.8")
        assert first["free4"].startswith("2024-0")
        assert (first["categories"], first["free5"]) == ("Docent|Mentor", '{"a": 1}')
        assert first["extern_id"] == "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
        assert {value for name, value in second.items() if name not in {"row", "person_id", "inactive"}} == {""}
        assert (second["person_id"], second["inactive"]) == ("7", False)

    def test_numbers_of_sqlite_too(self, request):
        database = Sqlite(request)
        database.run(
            "CREATE TABLE staff (id integer, uren real, foto blob)", "INSERT INTO staff VALUES (7, 36.0, X'EB')"
        )
        extract = reader(database, table="staff", columns={"free1": "uren"}).extract(Wanted())
        assert (extract.persons["person_id"][0], extract.persons["free1"][0]) == ("7", "36")

    def test_bytes_that_are_no_text_leave_a_row_out(self, request):
        database = Sqlite(request)
        database.run(
            "CREATE TABLE staff (id integer, naam blob)", "INSERT INTO staff VALUES (7, X'EB'), (8, X'4A616E')"
        )
        extract = reader(database, table="staff", columns={"firstname": "naam"}).extract(Wanted())
        assert extract.persons["firstname"].tolist() == ["Jan"]
        assert str(extract.left_out[0].said).startswith("Row 1 (id 7) holds bytes in 'naam'")

    def test_a_query_with_percent_signs_and_colons_is_run_as_it_stands(self, database):
        database.fill([{"PersonId": "1", "Voornaam": "100% Jan"}, {"PersonId": "2", "Voornaam": "Piet :since"}])
        found = reader(
            database, query="SELECT * FROM people WHERE Voornaam LIKE '%\u0025 Jan' OR Voornaam LIKE '%:since'"
        )
        assert set(found.extract(Wanted()).persons["person_id"]) == {"1", "2"}

    def test_nothing_can_be_written(self, database):
        database.fill(numbered(3))
        with pytest.raises(SourceError), reading(database.connection, "here") as session:
            session.number("DELETE FROM people RETURNING 1")
        assert len(reader(database).extract(Wanted()).persons) == 3

    def test_one_moment_is_seen_whatever_is_written_meanwhile(self, database):
        database.fill(numbered(250))
        if isinstance(database, Sqlite):
            database.run("PRAGMA journal_mode = WAL")  # else the writer waits for the reader
        with (
            reading(database.connection, "here") as session,
            closing(session.chunks("SELECT * FROM people", None, 100)) as chunks,
        ):
            seen = len(next(chunks)[1])
            database.run("DELETE FROM people WHERE line > 100")
            seen += sum(len(rows) for _, rows in chunks)
        assert seen == 250

    def test_ids_are_compared_as_text(self, postgresql):
        postgresql.run(
            "CREATE TABLE staff (id integer, externid text)", "INSERT INTO staff VALUES (7, 'E1'), (8, 'E2')"
        )
        found = reader(postgresql, table="staff").extract(Wanted(Mode.IDS, ids=("7", "E2", "no number")))
        assert found.persons["person_id"].tolist() == ["7", "8"]


class TestChanged:
    def reader(self, database: Database, **settings: Any) -> SqlReader:
        return reader(database, **({"changed_column": "changed", "overlap_minutes": 0} | settings))

    def test_only_who_changed_since_is_read_and_whoever_changed_in_that_moment(self, database):
        database.fill(numbered(2))
        database.fill(numbered(3))
        first = self.reader(database).extract(Wanted())
        database.fill(numbered(4))
        found = self.reader(database).extract(Wanted(Mode.CHANGED, first.watermark))
        assert set(found.persons["person_id"]) == {"3", "4"}
        assert not found.complete
        assert found.counts.records == 2

    def test_who_has_no_time_of_change_is_read_each_time(self, database):
        database.fill(numbered(2))
        database.fill(numbered(3))
        database.run("UPDATE people SET changed = NULL WHERE line = 0")
        first = self.reader(database).extract(Wanted())
        found = self.reader(database).extract(Wanted(Mode.CHANGED, first.watermark))
        assert set(found.persons["person_id"]) == {"1", "3"}

    def test_a_query_of_ones_own_gets_the_watermark_bound(self, database):
        database.fill(numbered(2))
        database.fill(numbered(3))
        query = "SELECT * FROM people WHERE changed >= :since AND changed >= :since AND Voornaam LIKE 'Naam %'"
        source = self.reader(database, changed_query=query)
        first = source.extract(Wanted())
        assert set(source.extract(Wanted(Mode.CHANGED, first.watermark)).persons["person_id"]) == {"3"}

    def test_a_query_is_filtered_around(self, database):
        database.fill(numbered(2))
        database.fill(numbered(3))
        source = self.reader(database, query="SELECT * FROM people WHERE Voornaam LIKE '%3' OR Voornaam LIKE '%1'")
        first = source.extract(Wanted())
        assert set(first.persons["person_id"]) == {"1", "3"}
        assert set(source.extract(Wanted(Mode.CHANGED, first.watermark)).persons["person_id"]) == {"3"}

    def test_it_looks_back_a_little_for_what_came_in_late(self, postgresql):
        postgresql.fill(numbered(1))
        postgresql.run(
            "INSERT INTO people (PersonId, changed) VALUES ('nine', '2026-03-01 11:51'), ('eleven', '2026-03-01 11:49')"
        )
        source = self.reader(postgresql, overlap_minutes=10)
        first = source.extract(Wanted())
        found = source.extract(Wanted(Mode.CHANGED, first.watermark))
        assert set(found.persons["person_id"]) == {"1", "nine"}
        assert found.watermark == first.watermark

    def test_the_watermark_moves_back_only_when_everyone_is_read(self, database):
        database.fill(numbered(1))
        database.fill(numbered(2))
        source = self.reader(database)
        first = source.extract(Wanted())
        database.run("DELETE FROM people WHERE line = 1")
        assert source.extract(Wanted(Mode.CHANGED, first.watermark)).watermark == first.watermark
        database.run("DELETE FROM people WHERE line = 2")
        database.fill(numbered(1))
        again = source.extract(Wanted(since=first.watermark))  # the database was put back to an earlier state
        assert again.watermark != first.watermark
        assert source.extract(Wanted(Mode.CHANGED, again.watermark)).counts.persons == 1

    def test_nobody_yet_gives_no_watermark(self, database):
        assert self.reader(database).extract(Wanted()).watermark == ""

    @pytest.mark.parametrize(
        ("kind", "values"),
        [
            ("date", ["2026-03-01", "2026-03-03", "2026-03-05"]),
            ("bigint", ["9", "10", "11"]),
            ("numeric", ["9.5", "10", "10.5"]),
            ("text", ["2026-03-01", "2026-03-02", "2026-03-03"]),
            ("timestamptz", ["2026-03-01 12:00+01", "2026-03-02 12:00+00", "2026-03-03 12:00+01"]),
        ],
    )
    def test_a_change_may_be_told_in_many_ways(self, postgresql, kind, values):
        rows = ", ".join(f"('{number}', '{value}'::{kind})" for number, value in enumerate(values))
        postgresql.run(f"CREATE TABLE staff (id text, versie {kind})", f"INSERT INTO staff VALUES {rows}")
        source = reader(postgresql, table="staff", changed_column="VERSIE")
        first = source.extract(Wanted())
        postgresql.run(f"INSERT INTO staff VALUES ('new', '{values[-1]}'::{kind})")
        found = source.extract(Wanted(Mode.CHANGED, first.watermark))
        assert set(found.persons["person_id"]) == {"2", "new"}

    def test_a_column_that_tells_no_time_is_refused(self, postgresql):
        postgresql.run("CREATE TABLE staff (id text, versie uuid)", "INSERT INTO staff VALUES ('1', gen_random_uuid())")
        with pytest.raises(SourceError, match=r"staff of connection .* 'versie' is of type UUID; it must be"):
            reader(postgresql, table="staff", changed_column="versie").extract(Wanted())

    def test_a_column_of_all_kinds_is_refused(self, request):
        database = Sqlite(request)
        database.run("CREATE TABLE staff (id, versie)", "INSERT INTO staff VALUES (1, 1), (2, 'two')")
        with pytest.raises(SourceError, match="holds values that cannot be compared"):
            reader(database, table="staff", changed_column="versie").extract(Wanted())

    def test_a_column_that_got_a_time_zone_goes_on_from_its_own_values(self, postgresql):
        postgresql.fill(numbered(1))
        source = self.reader(postgresql)
        first = source.extract(Wanted())
        postgresql.run("ALTER TABLE people ALTER changed TYPE timestamptz")
        found = source.extract(Wanted(Mode.CHANGED, first.watermark))
        assert len(found.persons) == 1
        assert "+00:00" in found.watermark
        assert "+00:00" not in first.watermark

    def test_a_column_that_is_not_there_is_told_with_the_likely_one(self, database):
        database.fill(numbered(1))
        with pytest.raises(SourceError, match=r"no column 'chnged' .*did you mean 'changed'"):
            reader(database, changed_column="chnged").extract(Wanted())


class TestHalf:
    def test_fewer_rows_than_were_counted_are_an_error(self, database):
        database.fill(numbered(3))
        short = reader(database, query="SELECT * FROM people", count="SELECT count(*) + 1 FROM people")
        with pytest.raises(SourceError, match=r"the query of connection .*: 4 rows were counted and 3 came"):
            short.extract(Wanted())

    def test_where_the_view_is_not_steady_rows_may_have_gone_but_not_got_lost(self, database, monkeypatch):
        database.fill(numbered(3))
        monkeypatch.setattr(sql_session, "_begin", lambda connection: False)
        counted = iter([5, 3, 5, 4])
        monkeypatch.setattr(Session, "number", lambda self, query, since=None: next(counted))
        assert len(reader(database).extract(Wanted()).persons) == 3
        with pytest.raises(SourceError, match="half a read is no read"):
            reader(database).extract(Wanted())

    def test_a_connection_that_breaks_off_gives_nobody(self, postgresql, monkeypatch):
        postgresql.fill(numbered(300))
        fetch, fetched = psycopg.ServerCursor.fetchmany, []

        def break_off_after_the_first(cursor: psycopg.ServerCursor[Any], size: int) -> list[Any]:
            if fetched:
                postgresql.run(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE pid <> pg_backend_pid() AND datname = current_database()"
                )
            fetched.append(size)
            return fetch(cursor, size)

        monkeypatch.setattr(psycopg.ServerCursor, "fetchmany", break_off_after_the_first)
        with pytest.raises(SourceUnavailable, match=r"people of connection .*Nothing was taken from it"):
            reader(postgresql, chunk_size=100).extract(Wanted())
        assert fetched == [100, 100]

    def test_a_query_that_is_stopped_gives_nobody(self, postgresql, connect):
        postgresql.fill(numbered(2))
        made = BaseHook.get_connection(postgresql.connection)
        hasty = {"options": "-c statement_timeout=100"}
        connect(postgresql.connection, "postgres", host=made.host, login=made.login, schema=made.schema, extra=hasty)
        with pytest.raises(SourceUnavailable, match="QueryCanceled"):
            reader(postgresql, query="SELECT people.* FROM people, pg_sleep(60)").extract(Wanted())

    def test_a_busy_database_may_do_later(self, request, monkeypatch):
        database = Sqlite(request)
        database.fill(numbered(1))
        real = sqlite3.connect
        monkeypatch.setattr(sqlite3, "connect", lambda *args, **more: real(*args, **more | {"timeout": 0}))
        writer = real(database._path)
        writer.execute("BEGIN EXCLUSIVE")
        try:
            with pytest.raises(SourceUnavailable, match="database is locked"):
                reader(database).extract(Wanted())
        finally:
            writer.close()

    @pytest.mark.parametrize("count", ["SELECT 'many'", "SELECT 1, 2", "SELECT line FROM people", "SELECT NULL"])
    def test_a_count_must_be_one_number(self, database, count):
        database.fill(numbered(2))
        with pytest.raises(SourceError, match=r"source\.count\) must give one row with one number"):
            reader(database, count=count).extract(Wanted())


class TestErrors:
    def test_a_table_that_is_not_there(self, database):
        with pytest.raises(SourceError, match=r"nobody of connection '.*': .*nobody.* Look at 'source'"):
            reader(database, table="nobody").extract(Wanted())

    def test_sql_that_is_none(self, database):
        with pytest.raises(SourceError, match="syntax error"):
            reader(database, query="SELECT FROM WHERE").extract(Wanted())

    def test_columns_without_an_id(self, database):
        with pytest.raises(SourceError, match=r"no column with an id .*Name it so in the query"):
            reader(database, query="SELECT Voornaam FROM people").extract(Wanted())

    def test_a_value_that_could_not_be_converted_is_not_repeated(self, postgresql):
        postgresql.fill([{"PersonId": "1", "Achternaam": "Jansen"}])
        with pytest.raises(SourceError, match="could not convert a value") as caught:
            reader(postgresql, query="SELECT PersonId, Achternaam::integer FROM people").extract(Wanted())
        assert "Jansen" not in str(caught.value)
        assert caught.value.__suppress_context__

    def test_a_connection_that_is_not_there(self, tmp_path):
        made = SqlSource(type="sql", connection="nowhere", table="people")
        with pytest.raises(SourceError, match=r"people of connection 'nowhere': .*nowhere"):
            SqlReader(made, made.where(tmp_path)).extract(Wanted())

    @pytest.mark.parametrize("kind", ["mysql", "moodle"])
    def test_a_connection_of_which_there_is_no_sql(self, connect: Callable[..., str], tmp_path: Path, kind: str):
        connect("other", kind, host="db.example.org")
        made = SqlSource(type="sql", connection="other", table="people")
        with pytest.raises(SourceError, match=r"people of connection 'other'.*(provider is installed|no SQL database)"):
            SqlReader(made, made.where(tmp_path)).extract(Wanted())

    def test_a_database_that_is_away(self, connect, free_port, tmp_path):
        connect("away", "postgres", host="127.0.0.1", port=free_port, login="ledger", password="a-secret", schema="x")
        made = SqlSource(type="sql", connection="away", table="people")
        with pytest.raises(SourceUnavailable, match="people of connection 'away': OperationalError") as caught:
            SqlReader(made, made.where(tmp_path)).extract(Wanted())
        assert "a-secret" not in str(caught.value)

    def test_a_sqlite_file_that_is_not_there_is_not_made_when_the_connection_says_so(self, connect, tmp_path):
        connect("lite", "sqlite", host=str(tmp_path / "none.db"), extra={"mode": "ro"})
        made = SqlSource(type="sql", connection="lite", table="people")
        with pytest.raises(SourceError, match="unable to open database file"):
            SqlReader(made, made.where(tmp_path)).extract(Wanted())
        assert not (tmp_path / "none.db").exists()

    def test_a_database_that_does_not_know_us(self, postgres, connect, tmp_path):
        connect("wrong", "postgres", host=str(postgres.folder), login="ledger", schema="no_such_database")
        made = SqlSource(type="sql", connection="wrong", table="people")
        with pytest.raises(SourceError, match="no_such_database"):
            SqlReader(made, made.where(tmp_path)).extract(Wanted())

    def test_our_own_mistakes_are_not_taken_for_the_databases(self, database):
        with pytest.raises(ZeroDivisionError), reading(database.connection, "here"):
            raise ZeroDivisionError


class TestDrivers:
    """What differs between drivers (PEP 249): how values are marked, where rows wait, and dictionaries for rows."""

    def test_the_older_driver_of_postgresql_reads_the_same_way(self, postgresql):
        import psycopg2
        import psycopg2.extras

        postgresql.fill(numbered(250))
        connection = psycopg2.connect(postgresql._url, cursor_factory=psycopg2.extras.RealDictCursor)
        try:
            assert _begin(connection)
            session = Session(connection, "pyformat", steady=True)
            chunks = list(
                session.chunks("SELECT line, PersonId FROM people WHERE changed >= :since", "2026-01-01", 100)
            )
            assert [len(rows) for _, rows in chunks] == [100, 100, 50]
            assert {tuple(names) for names, _ in chunks} == {("line", "personid")}
            assert chunks[2][1][-1] == (249, "250")
            with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
                session.number("DELETE FROM people RETURNING 1")
        finally:
            connection.close()

    def test_rows_wait_at_the_server(self, postgresql):
        postgresql.fill(numbered(250))
        with reading(postgresql.connection, "here") as session:
            chunks = session.chunks("SELECT * FROM people", None, 100)
            next(chunks)
            waiting = session.number("SELECT count(*) FROM pg_cursors WHERE name = 'moodle_coupling'")
            chunks.close()
        assert waiting == 1

    @pytest.mark.parametrize(
        ("style", "sql", "values"),
        [
            ("qmark", "SELECT ? , ?", ("x", "x")),
            ("numeric", "SELECT :1 , :1", ("x",)),
            ("named", "SELECT :since , :since", {"since": "x"}),
            ("format", "SELECT %s , %s", ("x", "x")),
            ("pyformat", "SELECT %s , %s", ("x", "x")),
        ],
    )
    def test_the_watermark_is_marked_as_the_driver_wants_it(self, style, sql, values):
        class Cursor:
            def execute(self, *given: Any) -> None:
                self.given = given

        cursor = Cursor()
        Session(None, style, steady=False)._execute(cursor, "SELECT :since , :since", "x")
        assert cursor.given == (sql, values)

    def test_a_driver_says_itself_how_it_marks_values_else_the_hook_does(self, monkeypatch):
        class Unknown:
            pass

        hook = type("Hook", (), {"placeholder": "?"})()
        assert sql_session._paramstyle(Unknown(), hook) == "qmark"
        monkeypatch.setattr(sys.modules[Unknown.__module__], "paramstyle", "numeric", raising=False)
        assert sql_session._paramstyle(Unknown(), hook) == "numeric"

    def test_of_an_unknown_driver_no_steady_view_is_promised(self):
        class Unknown:
            pass

        assert not _begin(Unknown())
