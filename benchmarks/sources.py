# ruff: noqa: S608  # statements of this benchmark
"""How many persons per second come out of each source; databases beside pandas.read_sql, in the same run.

Run: python benchmarks/sources.py [persons]. PostgreSQL is started from the installed binaries and left out with a word where
there is none. What comes out of every source is compared with what went in.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "plugins"))
sys.path.insert(0, str(ROOT / "tests"))
HOME = tempfile.mkdtemp(prefix="moodle-coupling-bench-")
os.environ |= {"AIRFLOW_HOME": HOME, "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}

import pandas as pd
from ledger.postgres import Postgres, PostgresMissing
from sqlalchemy import create_engine

from moodle_coupling.mapping import IdnumberFrom, Mapping
from moodle_coupling.sources.contract import Mode, Wanted
from moodle_coupling.sources.kinds import open_source
from moodle_coupling.sources.persons import merge_changed
from moodle_coupling.sources.several.source import Joining, Part, combined

if TYPE_CHECKING:
    from collections.abc import Callable

    from moodle_coupling.sources.contract import Extract

CHUNK = 10_000
FIRST = ["Jan", "Zoë", "Łukasz", "Noor", "Günter", "Şule", "Youssef", "Anne-Marie"]
LAST = ["Berg", "Öztürk", "Kowalski", "Jansen", "Müller", "Núñez", "Vries", "O'Brien"]
COLUMNS = {
    "person_id": "integer",
    "extern_id": "text",
    "voornaam": "text",
    "tussenvoegsel": "text",
    "achternaam": "text",
    "email": "text",
    "inactief": "boolean",
    "plaats": "text",
    "land": "text",
    "afdeling": "text",
    "geboren": "date",
    "uren": "numeric(6,2)",
    "gewijzigd": "timestamp",
}


def made(number: int) -> pd.DataFrame:
    """Give invented persons, typed as a database has them."""
    some = random.Random(7)
    rows = range(1, number + 1)
    day = [f"{some.randrange(1960, 2005)}-{some.randrange(1, 13):02}-{some.randrange(1, 29):02}" for _ in rows]
    return pd.DataFrame(
        {
            "person_id": list(rows),
            "extern_id": [f"{row:07}" if row % 50 else None for row in rows],
            "voornaam": [some.choice(FIRST) for _ in rows],
            "tussenvoegsel": [some.choice([None, None, None, "van der", "de"]) for _ in rows],
            "achternaam": [f"{some.choice(LAST)}-{some.choice(LAST)}{row % 997}" for row in rows],
            "email": [f"persoon{row}@example.org" for row in rows],
            "inactief": [row % 20 == 0 for row in rows],
            "plaats": [some.choice(["Utrecht", "Delft", "Ede", None]) for _ in rows],
            "land": "NL",
            "afdeling": [some.choice(["ICT", "Zorg", "Financiën"]) for _ in rows],
            "geboren": day,
            "uren": [some.choice([36, 32.5, 8]) for _ in rows],
            "gewijzigd": [f"2026-03-0{1 + row % 9} 12:00:00" for row in rows],
        }
    )


def timed(what: str, work: Callable[[], Any], persons: int) -> Any:
    """Print how long a piece of work took, and persons per second; gives what came of it."""
    start, cpu = time.perf_counter(), time.process_time()
    result = work()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(f"  {what:<52} {seconds:>7.2f} s {cpu:>7.2f} s CPU {persons / seconds:>10,.0f} persons/s", flush=True)
    return result


def read(source: dict[str, Any], wanted: Wanted | None = None) -> Extract:
    """Read a source as a run does."""
    said = {"environment": "bench", "connection": "moodle_bench", "idnumber": "person_id", "source": source}
    return open_source(Mapping.model_validate(said), Path(HOME)).extract(wanted or Wanted())


def check(extract: Extract, persons: pd.DataFrame) -> None:
    """Compare what came out with what went in."""
    got = extract.persons.sort_values("person_id", key=lambda column: column.astype(int)).reset_index(drop=True)
    assert got["person_id"].tolist() == [str(id_) for id_ in persons["person_id"]]
    for name, column in {"extern_id": "extern_id", "lastname": "achternaam", "infix": "tussenvoegsel"}.items():
        assert got[name].tolist() == persons[column].fillna("").tolist()
    assert got["inactive"].tolist() == persons["inactief"].tolist()


def with_pandas(url: str) -> pd.DataFrame:
    """Read the table as one would first do it: in chunks, everything to text, absent to empty."""
    engine = create_engine(url)
    with engine.connect() as connection:
        streamed = connection.execution_options(stream_results=True)
        chunks = [
            chunk.astype("str").fillna("") for chunk in pd.read_sql("SELECT * FROM persons", streamed, chunksize=CHUNK)
        ]
    engine.dispose()
    return pd.concat(chunks, ignore_index=True)


def plain_pandas(url: str) -> pd.DataFrame:
    """Read the table whole and leave the values as they come."""
    engine = create_engine(url)
    with engine.connect() as connection:
        frame = pd.read_sql("SELECT * FROM persons", connection)
    engine.dispose()
    return frame


def database(name: str, url: str, connection: dict[str, Any], persons: pd.DataFrame) -> None:
    """Measure one database."""
    print(name)
    os.environ[f"AIRFLOW_CONN_{name.upper()}"] = json.dumps(connection)
    number = len(persons)
    source = {"type": "sql", "connection": name, "table": "persons", "chunk_size": CHUNK, "changed_column": "gewijzigd"}
    source["columns"] = {"free1": "geboren", "free2": "uren"}
    read(source, Wanted(Mode.IDS))  # Airflow looks for its hooks at the first connection
    extract = timed(f"source, chunks of {CHUNK:,}", lambda: read(source), number)
    check(extract, persons)
    peer = timed(f"pandas.read_sql, chunks of {CHUNK:,}, as text", lambda: with_pandas(url), number)
    assert len(peer) == number
    timed("pandas.read_sql, at once, as it comes", lambda: plain_pandas(url), number)
    changed = timed("source, what changed", lambda: read(source, Wanted(Mode.CHANGED, extract.watermark)), number // 9)
    assert 0 < len(changed.persons) < number / 4
    whole = timed("  and put into everyone", lambda: merge_changed(extract.persons, changed.persons), number)
    pd.testing.assert_frame_equal(whole, extract.persons)


def sqlite(persons: pd.DataFrame) -> None:
    """Fill and measure SQLite."""
    path = Path(HOME) / "bench.db"
    with sqlite3.connect(path) as connection:
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        connection.execute(f"CREATE TABLE persons ({columns})")
        rows = persons.astype(object).where(persons.notna(), None).to_numpy().tolist()
        connection.executemany(f"INSERT INTO persons VALUES ({', '.join('?' * len(COLUMNS))})", rows)
    connection.close()
    database("sqlite", f"sqlite:///{path}", {"conn_type": "sqlite", "host": str(path)}, persons)


def postgresql(persons: pd.DataFrame) -> None:
    """Fill and measure PostgreSQL."""
    try:
        server = Postgres.start()
    except PostgresMissing as missing:
        print(f"postgresql: {missing}")
        return
    try:
        url = server.new_database().replace("postgresql:", "postgresql+psycopg:")
        engine = create_engine(url)
        with engine.begin() as connection:
            columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
            connection.exec_driver_sql(f"CREATE TABLE persons ({columns})")
            with connection.connection.cursor() as cursor, cursor.copy("COPY persons FROM STDIN") as copy:
                for row in persons.astype(object).where(persons.notna(), None).itertuples(index=False):
                    copy.write_row(row)
        engine.dispose()
        name = url.split("@/")[1].split("?")[0]
        made_ = {"conn_type": "postgres", "host": str(server.folder), "login": "ledger", "schema": name}
        database("postgresql", url, made_, persons)
    finally:
        server.stop()


def files(persons: pd.DataFrame) -> None:
    """Measure files."""
    print("files")
    number, folder = len(persons), Path(HOME)
    persons.to_csv(folder / "persons.csv", sep=";", index=False)
    persons.to_parquet(folder / "persons.parquet", index=False)
    for kind in ("csv", "parquet"):
        path = f"persons.{kind}"
        extract = timed(kind, lambda path=path: read({"path": path}), number)  # type: ignore[misc]
        check(extract, persons)


def several(persons: pd.DataFrame) -> None:
    """Measure two sources that know the same persons, of whom one in a hundred differs."""
    print("two sources")
    one = read({"path": "persons.csv"}).persons
    other = one.assign(city=one["city"].where(one.index % 100 != 0, "Elders"))
    parts = [Part("HR", one, knows_inactive=True), Part("IT", other, knows_inactive=True)]
    whole = timed(
        "put together, one in a hundred differs",
        lambda: combined(parts, Joining(IdnumberFrom.PERSON_ID)),
        len(persons),
    )
    assert len(whole) == len(persons)
    assert int((whole["sources_differ"] != "").sum()) == int((one["city"].iloc[::100] != "").sum())


def main() -> None:
    """Measure all of them."""
    persons = made(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
    sqlite(persons)
    postgresql(persons)
    files(persons)
    several(persons)


if __name__ == "__main__":
    main()
