"""Values of databases as texts."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_coupling.sources.records import as_texts, with_nul


class Colour(enum.Enum):
    RED = "red"


class Spelled(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("007", "007"),
        (Spelled("Zoë"), "Zoë"),
        (7, "7"),
        (7.0, "7"),
        (7.25, "7.25"),
        (1e300, "1e+300"),
        (float("nan"), ""),
        (decimal.Decimal("1042.00"), "1042"),
        (decimal.Decimal("12.50"), "12.50"),
        (decimal.Decimal("1E+3"), "1000"),
        (decimal.Decimal("0.0000001"), "0.0000001"),
        (decimal.Decimal("NaN"), ""),
        (True, "true"),
        (False, "false"),
        (dt.date(2024, 5, 1), "2024-05-01"),
        (dt.datetime.fromisoformat("2024-05-01"), "2024-05-01"),
        (dt.datetime.fromisoformat("2024-05-01T09:30"), "2024-05-01T09:30:00"),
        (dt.datetime(2024, 5, 1, tzinfo=dt.UTC), "2024-05-01T00:00:00+00:00"),
        (dt.time(9, 30), "09:30:00"),
        (uuid.UUID("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        (b"Zo\xc3\xab", "Zoë"),
        (bytearray(b"a"), "a"),
        pytest.param(memoryview(b"a"), "a", id="memoryview"),
        (["Docent", None, "Mentor", 7.0], "Docent|Mentor|7"),
        (("a", "b"), "a|b"),
        ({"plaats": "Łódź", "sinds": dt.date(2024, 5, 1)}, '{"plaats": "Łódź", "sinds": "2024-05-01"}'),
        (Colour.RED, "red"),
        (dt.timedelta(hours=1), "1:00:00"),
    ],
    ids=repr,
)
def test_a_value_is_written_as_a_person_would(value, text):
    converted = as_texts([value])
    assert converted.texts.to_pylist() == [text]
    assert list(converted.unfit) == []


@pytest.mark.parametrize("value", [b"\xeb", "half \ud800 a pair", [b"\xff"]], ids=repr)
def test_what_is_no_text_is_pointed_at(value):
    converted = as_texts(["a", value, None])
    assert list(converted.unfit) == [1]
    assert converted.texts.to_pylist() == ["a", "", ""]


@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]))))
def test_texts_stay_themselves(values):
    assert as_texts(values).texts.to_pylist() == [value or "" for value in values]


@given(st.lists(st.text(st.sampled_from("a\0é"))))
def test_a_nul_is_found_where_it_is(values):
    texts = as_texts(values).texts
    assert with_nul(texts) == [position for position, value in enumerate(values) if "\0" in value]


@pytest.mark.parametrize(("bit", "text"), [(b"\x00", "0"), (b"\x01", "1"), (bytearray(b"\x01"), "1")], ids=repr)
def test_a_bit_of_mysql_is_a_digit(bit, text):
    assert as_texts([bit, None]).texts.to_pylist() == [text, ""]
