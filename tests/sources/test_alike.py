"""What a cell says is read the same from every kind of source."""

from __future__ import annotations

import io
import json
import sqlite3
from typing import TYPE_CHECKING, Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sources.workbooks import cell, sheet, workbook

from moodle_coupling.sources.database.settings import SqlSource
from moodle_coupling.sources.files.settings import FileSource
from moodle_coupling.sources.kinds import read_persons

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.sources.contract import Extract

HEADINGS = ("PersonId", "ExternId", "Inactief", "Plaats")
ROWS = [
    ("1", '="00123"', "t", "'s-Gravenhage"),
    ("2", "'00124", "-1", "ZoÃ«"),
    ("3", "1.23E+05", "0.0", "Ede"),
    ("4", "A4", "misschien", "Ede"),
    ("5", "A5", "nee", "#N/A"),
    ("6", "A6", "\u200bja", "Ede"),
    ("6", "A6", "\u200bja", "Ede"),
    ("7", "########", "nee", "Ede"),
]


def csv_file(folder: Path, _: pytest.MonkeyPatch) -> Any:
    lines = [";".join('"' + text.replace('"', '""') + '"' for text in row) for row in [HEADINGS, *ROWS]]
    (folder / "p").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return FileSource(path="p")


def xlsx(folder: Path, _: pytest.MonkeyPatch) -> Any:
    data = "".join(
        f'<row r="{number}">{"".join(cell(f"{letter}{number}", text.replace("&", "&amp;")) for letter, text in zip("ABCD", row, strict=True))}</row>'
        for number, row in enumerate([HEADINGS, *ROWS], 1)
    )
    (folder / "p").write_bytes(workbook(sheet(data)))
    return FileSource(path="p")


def parquet(folder: Path, _: pytest.MonkeyPatch) -> Any:
    pq.write_table(pa.table(dict(zip(HEADINGS, map(list, zip(*ROWS, strict=True)), strict=True))), folder / "p")
    return FileSource(path="p")


def storage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    csv_file(folder, monkeypatch)
    fsspec.filesystem("memory").pipe("/alike/p", (folder / "p").read_bytes())
    return FileSource(path="memory://alike/p")


def sql(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    connection = sqlite3.connect(folder / "p.db")
    with connection:
        connection.execute(f"CREATE TABLE p ({', '.join(HEADINGS)})")
        connection.executemany("INSERT INTO p VALUES (?, ?, ?, ?)", ROWS)
    connection.close()
    monkeypatch.setenv("AIRFLOW_CONN_ALIKE", json.dumps({"conn_type": "sqlite", "host": str(folder / "p.db")}))
    return SqlSource(type="sql", connection="alike", table="p")


def read(made: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Extract:
    return read_persons(made(folder, monkeypatch), folder)


@pytest.mark.parametrize("made", [csv_file, xlsx, parquet, storage, sql])
def test_every_source_reads_the_same(made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extract = read(made, tmp_path, monkeypatch)
    persons = extract.persons
    assert persons["person_id"].tolist() == ["1", "2", "3", "4", "6"]
    assert persons["extern_id"].tolist() == ["00123", "00124", "1.23E+05", "A4", "A6"]
    assert persons["inactive"].tolist() == [True, True, False, False, True]
    assert persons["inactive_unread"].tolist() == ["", "", "", "misschien", ""]
    assert persons["city"].tolist() == ["'s-Gravenhage", "ZoÃ«", "Ede", "Ede", "Ede"]
    assert [left.code for left in extract.left_out] == ["cell_error", "cell_error"]
    assert extract.counts.repeated == 1


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (pa.float64(), 123.0, "123"), (pa.float64(), 2.0**53, "9007199254740992.0"), (pa.float64(), 12.5, "12.5"),
        (pa.float32(), 2.0**24 - 1, "16777215"), (pa.float32(), 2.0**24, "16777216.0"), (pa.bool_(), True, "true"), (pa.int64(), 2**60, str(2**60)),
    ],
)  # fmt: skip
def test_a_number_of_parquet_that_may_have_lost_digits_shows_it(
    tmp_path: Path, kind: Any, value: Any, text: str
) -> None:
    packed = io.BytesIO()
    pq.write_table(pa.table({"ExternId": pa.array([value, None], kind), "PersonId": ["1", "2"]}), packed)
    (tmp_path / "p").write_bytes(packed.getvalue())
    assert read_persons(FileSource(path="p"), tmp_path).persons["extern_id"].tolist() == [text, ""]
