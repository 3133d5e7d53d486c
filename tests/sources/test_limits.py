"""Files that try to take all memory or time of a worker, and files that no program should write: one sentence each."""

from __future__ import annotations

import contextlib
import io
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sources.workbooks import MAIN, cell, rows, sheet, styles, workbook

from moodle_coupling.errors import CouplingError, SourceError
from moodle_coupling.sources.files.places import MEGABYTE, Caps
from moodle_coupling.sources.files.settings import FileSource
from moodle_coupling.sources.files.source import read_file
from moodle_coupling.sources.kinds import read_persons

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.sources.contract import Extract

CAPS = Caps(16 * MEGABYTE, 16 * MEGABYTE, 1000, 100, 1000)
SMALL = settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])


def read(data: bytes, caps: Caps = CAPS) -> Extract:
    return read_file(data, FileSource(path="p"), "p", caps)


def parquet(**columns: Any) -> bytes:
    packed = io.BytesIO()
    pq.write_table(pa.table(columns), packed)
    return packed.getvalue()


def repeated(text: str, times: int) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array([0] * times, pa.int32()), pa.array([text]))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b"PersonId\n" + b"1" * 17 * MEGABYTE, "16,777,216 are allowed.*file_megabytes", id="bytes"),
        pytest.param(b"PersonId\n" + b"1\n" * 1001, "names row 1,001, and 1,000 rows.*file_rows", id="rows of CSV"),
        pytest.param(b"PersonId" + b";x" * 100 + b"\n1\n", "101 columns.*file_columns", id="columns of CSV"),
        pytest.param(b'PersonId;x\n1;"a"\n2' + b";" * 100 + b"\n", "line 3 has 101 columns", id="cells of a line"),
        pytest.param(workbook(sheet(rows(cell("A2", "1"), first=2000000000))), "row 2,000,000,000.*file_rows", id="row of XLSX"),
        pytest.param(workbook(sheet(rows(cell("ZZZZZZ2", "1")))), "321,272,406 columns.*file_columns", id="column of XLSX"),
        pytest.param(workbook(sheet(rows(cell("A2", "1")) + " " * 17 * MEGABYTE)), "unpacks to.*file_unpacked_megabytes", id="sheet"),
        pytest.param(workbook(sheet(rows(cell("A2", "1"))), more={"xl/styles.xml": styles() + " " * 17 * MEGABYTE}), "unpacks to", id="styles"),
        pytest.param(parquet(PersonId=list(range(1001))), "names row 1,001", id="rows of Parquet"),
        pytest.param(parquet(PersonId=[1], **{f"x{n}": [1] for n in range(100)}), "101 columns", id="columns of Parquet"),
        pytest.param(parquet(PersonId=[1] * 900, Plaats=repeated("x" * 100_000, 900)), "unpacks to 90,000,000", id="dictionary"),
        pytest.param(parquet(PersonId=[1], Plaats=["x" * 17 * MEGABYTE]), "unpacks to", id="text of Parquet"),
    ],
)  # fmt: skip
def test_a_file_beyond_a_limit_is_refused_with_the_option_that_raises_it(data: bytes, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"PersonId;Plaats\n1;%s\n2;Ede\n" % (b"x" * 1001), id="CSV read fast"),
        pytest.param(b"PersonId;Plaats\n1;%s\n\n2;Ede\n" % (b"x" * 1001), id="CSV read with care"),
        pytest.param(workbook(sheet(rows(cell("A2", "1") + cell("C2", "x" * 1001), cell("A3", "2")))), id="XLSX"),
        pytest.param(parquet(PersonId=["1", "2"], Plaats=["x" * 1001, "Ede"]), id="Parquet"),
    ],
)
def test_a_cell_that_is_too_long_leaves_its_record_out(data: bytes) -> None:
    extract = read(data)
    assert extract.persons["person_id"].tolist() == ["2"]
    assert [left.code for left in extract.left_out] == ["cell_too_long"]


def test_a_sheet_that_is_gone_through_twice_counts_once() -> None:
    data = workbook(sheet(rows(cell("A2", "1")) + " " * 10 * MEGABYTE))
    assert read(data).persons["person_id"].tolist() == ["1"]


def test_the_size_is_known_before_a_byte_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__FILE_MEGABYTES", "1")
    with (tmp_path / "persons.csv").open("wb") as stream:
        stream.truncate(50 * 1024 * MEGABYTE)
    with pytest.raises(SourceError, match=r"persons\.csv has 53,687,091,200 bytes, and 1,048,576 are allowed"):
        read_persons(FileSource(path="persons.csv"), tmp_path)


def test_an_opened_quote_costs_little_and_its_place_is_said() -> None:
    data = b'PersonId;Voornaam\n1;Kim\n2;"Jan\n' + b"3;Piet\n" * MEGABYTE
    tracemalloc.start()
    with pytest.raises(SourceError, match="line 3, column 3: the quote opened here is not closed"):
        read(data, Caps(16 * MEGABYTE, 16 * MEGABYTE, 2_000_000, 100, 131_072))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * len(data)


@pytest.mark.parametrize("hostile", ['"', '"";', '";', "\x1a", '="', "'", "\x1a ", '"\n'], ids=ascii)
def test_the_time_for_a_csv_grows_with_its_length_and_not_with_the_square(hostile: str) -> None:
    def took(length: int) -> float:
        data = ("PersonId;Voornaam\n1;" + hostile * (length // len(hostile)) + "x").encode()
        start = time.process_time()
        with contextlib.suppress(SourceError):
            read(data, Caps(16 * MEGABYTE, 16 * MEGABYTE, 2_000_000, 3_000_000, 131_072))
        return time.process_time() - start

    took(1000)
    short = min(took(25_000) for _ in range(3))
    assert min(took(400_000) for _ in range(2)) < 16 * 4 * max(short, 0.005)


CSV = b'PersonId;ExternId;Voornaam;Plaats;Inactief\r\n1;A1;"Jan ""x""";Ede;ja\r\n2;="00123";Zo\xc3\xab;#N/A;nee\r\n3;A3;Kim;;\r\n'
SIGNS = [
    b"",
    b'"',
    b";",
    b"\n",
    b"\r",
    b"\0",
    b"\x1a",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"=",
    b"'",
    b"#",
    b"PAR1",
    b"PK\x03\x04",
    b"sep=,\n",
    b"_x000D_",
    b"\xed\xa0\x80",
]


def mutated(data: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    for place, cut, put in changes:
        at = int(place * len(data))
        data = data[:at] + put + data[at + cut :]
    return data


changes = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 12), st.one_of(st.sampled_from(SIGNS), st.binary(max_size=4))),
    min_size=1,
    max_size=5,
)


def only_our_errors(data: bytes) -> None:
    try:
        extract = read(data)
    except CouplingError as error:
        said = str(error)
        if "\n" in said or not said.startswith("p"):
            pytest.fail(f"no sentence about the file: {said!r}")
        return
    counts = extract.counts
    assert counts.records == counts.persons + counts.left_out + counts.blank + counts.repeated
    assert extract.persons["row"].is_unique
    assert len(extract.persons) == counts.persons


@SMALL
@given(changes)
def test_whatever_a_csv_holds_only_our_errors_come_out(some: list[tuple[float, int, bytes]]) -> None:
    only_our_errors(mutated(CSV, some))


SHEET = sheet(
    rows(
        f'{cell("A2", "1")}<c r="B2" t="s"><v>0</v></c><c r="C2" s="1"><v>45413</v></c>',
        f'{cell("A3", "2")}<c r="B3" t="e"><v>#N/A</v></c><c r="C3"><f>A1</f><v/></c>',
        f'{cell("A4", "3")}<c r="B4" t="b"><v>1</v></c><c r="C4" t="d"><v>2024-05-01T00:00:00</v></c>',
    ),
    '<mergeCells><mergeCell ref="C3:C4"/></mergeCells>',
)
MEMBERS = {
    "xl/worksheets/sheet1.xml": SHEET,
    "xl/styles.xml": styles("yyyy-mm-dd"),
    "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}"><si><t>Jan</t></si></sst>',
}
XML = [
    b"",
    b"<",
    b">",
    b"/",
    b'"',
    b"0",
    b"-1",
    b"1e999",
    b"nan",
    b"99999999999999999999",
    b"t",
    b"&amp;",
    b"&x;",
    b"\0",
    b"\xff",
    b' r="A1"',
    b' s="-5"',
    b"<row>",
    b"</c>",
    b"<v>1</v>",
]


@SMALL
@given(
    st.sampled_from(list(MEMBERS)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from(XML)), min_size=1, max_size=3),
)
def test_whatever_a_part_of_a_workbook_holds_only_our_errors_come_out(
    member: str, some: list[tuple[float, int, bytes]]
) -> None:
    more = {name: text.encode() for name, text in MEMBERS.items()}
    more[member] = mutated(more[member], some)
    only_our_errors(workbook(more.pop("xl/worksheets/sheet1.xml").decode("latin-1"), more=more))


WHOLE = workbook(SHEET, more={name: text for name, text in MEMBERS.items() if "sheet1" not in name})
PARQUET = parquet(PersonId=["1", "2"], Plaats=["Ede", None], Inactief=[True, False], Categorie=[["a"], []])


@SMALL
@given(st.sampled_from([WHOLE, PARQUET]), changes)
@example(WHOLE[:-30], [])
@example(PARQUET[:-3], [])
def test_whatever_bytes_a_workbook_or_parquet_holds_only_our_errors_come_out(
    data: bytes, some: list[tuple[float, int, bytes]]
) -> None:
    only_our_errors(mutated(data, some))
