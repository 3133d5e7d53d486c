"""Peak memory and time of files that try to take all of a worker, and of XLSX readers side by side.

Run: python benchmarks/file_limits.py [persons]. Each case runs in a process of its own, whose peak memory (ru_maxrss) is shown
above that of a process that read a file of one person. calamine is left out with a word where it is not installed.
"""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.pop(0)  # this folder: benchmarks/sources.py would be taken for the package of the tests
sys.path.insert(0, str(ROOT / "plugins"))
sys.path.insert(0, str(ROOT / "tests"))
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="moodle-coupling-bench-"))
os.environ |= {"AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}

import pyarrow as pa
import pyarrow.parquet as pq
from openpyxl import Workbook
from sources.workbooks import MAIN, cell, rows, sheet, workbook

if TYPE_CHECKING:
    from collections.abc import Callable

MEGABYTE = 1024 * 1024
HEADINGS = [
    "PersonId", "ExternId", "Voornaam", "Tussenvoegsel", "Achternaam", "E-mail", "Inactief", "Plaats", "Land", "Afdeling",
]  # fmt: skip


def one_person() -> bytes:
    """Give the file against which the others are measured."""
    return workbook(sheet(rows(cell("A2", "1"))))


def opened_quote() -> bytes:
    """Give 8 MB of CSV of which the second line opens a quote."""
    return b'PersonId;Voornaam\n1;"Jan\n' + b"2;Piet;x\n" * (8 * MEGABYTE // 9)


def only_delimiters() -> bytes:
    """Give 8 MB of CSV of which the second line has 8 million cells."""
    return b"PersonId;Voornaam\n" + b";" * (8 * MEGABYTE)


def wide_header() -> bytes:
    """Give 8 MB of CSV with 8 million headings."""
    return b"PersonId" + b";" * (8 * MEGABYTE) + b"\n1\n"


def far_row() -> bytes:
    """Give a workbook that names row 2,000,000,000."""
    return workbook(sheet(rows(cell("A2", "1")) + f'<row r="2000000000">{cell("A2000000000", "2")}</row>'))


def far_column() -> bytes:
    """Give a workbook that names column ZZZZZZ."""
    return workbook(sheet(rows(cell("A2", "1") + cell("ZZZZZZ2", "2"))))


def zip_bomb() -> bytes:
    """Give a workbook of 2 MB whose sheet unpacks to 2 GB."""
    packed = io.BytesIO(workbook(sheet(rows(cell("A2", "1"))), more={"xl/worksheets/sheet1.xml": ""}))
    with (
        zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as member,
    ):
        member.write(f'<worksheet xmlns="{MAIN}"><sheetData>{rows(cell("A2", "1"))}'.encode())
        for _ in range(2048):
            member.write(b" " * MEGABYTE)
        member.write(b"</sheetData></worksheet>")
    return packed.getvalue()


def text_bomb() -> bytes:
    """Give a workbook with one shared text of 512 MB."""
    packed = io.BytesIO(workbook(sheet(rows('<c r="A2" t="s"><v>0</v></c>'))))
    with (
        zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("xl/sharedStrings.xml", "w") as member,
    ):
        member.write(f'<sst xmlns="{MAIN}"><si><t>'.encode())
        for _ in range(512):
            member.write(b"x" * MEGABYTE)
        member.write(b"</t></si></sst>")
    return packed.getvalue()


def entities() -> bytes:
    """Give a workbook with XML entities that grow by the power of ten."""
    names = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    return workbook(f'<!DOCTYPE x [<!ENTITY a0 "ha">{names}]>{sheet(rows(cell("A2", "&a9;")))}')


def dictionary() -> bytes:
    """Give a Parquet file whose dictionary holds one text of 100 kB, for each of 1,000,000 rows."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000_000, pa.int32()), pa.array(["x" * 100_000]))
    packed = io.BytesIO()
    pq.write_table(pa.table({"PersonId": list(range(1_000_000)), "Plaats": texts}), packed)
    return packed.getvalue()


HOSTILE: dict[str, Callable[[], bytes]] = {
    "CSV of 8 MB, an opened quote": opened_quote,
    "CSV of 8 MB, a line of 8 million cells": only_delimiters,
    "CSV of 8 MB, 8 million headings": wide_header,
    "XLSX, row 2,000,000,000": far_row,
    "XLSX, column ZZZZZZ": far_column,
    "XLSX, sheet of 2 GB of spaces": zip_bomb,
    "XLSX, a shared text of 512 MB": text_bomb,
    "XLSX, entities in entities": entities,
    "Parquet, dictionary: 100 GB of text": dictionary,
}


def made(number: int) -> bytes:
    """Give a workbook of invented persons as openpyxl writes it."""
    book = Workbook(write_only=True)
    page = book.create_sheet("Personen")
    page.append(HEADINGS)
    for row in range(1, number + 1):
        page.append(
            [
                row,
                f"{row:07}",
                "Noor",
                "van der" if row % 4 else None,
                f"Berg{row % 997}",
                f"p{row}@example.org",
                "nee",
                "Ede",
                "NL",
                "Zorg",
            ]
        )
    packed = io.BytesIO()
    book.save(packed)
    return packed.getvalue()


def ours(path: Path) -> str:
    """Read a file as a run does; gives the number of persons, or what was said."""
    from moodle_coupling.errors import CouplingError
    from moodle_coupling.sources.files.settings import FileSource
    from moodle_coupling.sources.files.source import read_file

    try:
        found = read_file(path.read_bytes(), FileSource(path=path.name), path.name)
    except CouplingError as error:
        return str(error)[:100]
    left = "; ".join(sorted({line.code for line in found.left_out}))
    return f"{len(found.persons)} persons {left}"


def with_openpyxl(path: Path) -> str:
    """Read all rows with openpyxl's stream."""
    from openpyxl import load_workbook

    page = load_workbook(path, read_only=True, data_only=True).worksheets[0]
    page.reset_dimensions()
    return f"{sum(1 for _ in page.iter_rows(values_only=True)) - 1} rows"


def with_calamine(path: Path) -> str:
    """Read all rows with calamine."""
    import python_calamine

    return f"{len(python_calamine.CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()) - 1} rows"


READERS = {"ours": ours, "openpyxl": with_openpyxl, "calamine": with_calamine}


def measure(reader: str, path: Path) -> tuple[float, int, str]:
    """Give seconds, peak memory in bytes and what came out, of a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", reader, str(path)], capture_output=True, text=True, check=False, timeout=900
    )
    if done.returncode:
        return 0.0, 0, done.stderr.strip().splitlines()[-1][:100]
    seconds, peak, said = json.loads(done.stdout.splitlines()[-1])
    return seconds, peak, said


def one(reader: str, path: Path) -> None:
    """Read one file in this process, and print what it took."""
    if reader == "ours":
        ours(path.with_name("one"))  # what is imported for the first file is not this file's
    start = time.perf_counter()
    said = READERS[reader](path)
    print(json.dumps([time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, said]))


def main() -> None:
    """Measure all of them."""
    folder = Path(tempfile.mkdtemp(prefix="moodle-coupling-limits-"))
    (folder / "one").write_bytes(one_person())
    _, least, _ = measure("ours", folder / "one")
    print("| file | size | seconds | memory above one person | what came out |\n|---|---|---|---|---|")
    for what, make in HOSTILE.items():
        path = folder / "hostile"
        path.write_bytes(make())
        seconds, peak, said = measure("ours", path)
        print(
            f"| {what} | {path.stat().st_size / 1024:,.0f} kB | {seconds:.1f} | {(peak - least) / MEGABYTE:,.0f} MB | {said} |",
            flush=True,
        )
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    path = folder / "persons.xlsx"
    path.write_bytes(made(number))
    print(f"\n| XLSX of {number:,} persons | seconds | peak memory | what came out |\n|---|---|---|---|")
    for reader in READERS:
        seconds, peak, said = measure(reader, path)
        print(f"| {reader} | {seconds:.1f} | {peak / MEGABYTE:,.0f} MB | {said} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
