"""Cells, headings and formats made to be slow to read: a source is as foreign as an answer."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from growth import grows_faster

from moodle_coupling.contract import columns
from moodle_coupling.contract.fields import near_option
from moodle_coupling.errors import MoodleParameterRefused
from moodle_coupling.mapping import checks
from moodle_coupling.people import cleaning
from moodle_coupling.provisioning.load.culprits import named_culprits
from moodle_coupling.sources import headings
from moodle_coupling.sources import records as spreadsheet_texts
from moodle_coupling.sources.files import csv_file as encoding
from moodle_coupling.sources.files import xlsx_sheet as number_format

if TYPE_CHECKING:
    from collections.abc import Callable

UNITS = (
    "a", "0", "0.", "-0", " ", "\n", "\t", "'", '"', '""', '="', ";", ';"', "[", "[<1]", "#", "?", "_x000D_", "_x", "van ", "de ", "-",
    ".", "@", "a.", "é", "Ã«", "\u200b", "\u200d", "\u0301", "<", "<a", "Username already exists: ", ' => the value is "', "//", "1,",
    "nederland", "\ufeff",
)  # fmt: skip


def texts(text: str) -> pa.LargeStringArray:
    return pa.array([text, text[1:]], pa.large_string())


READERS: dict[str, Callable[[str], Any]] = {
    "a number format": lambda text: number_format.shown(42.0, text, dt.datetime(1899, 12, 30)),  # noqa: DTZ001
    "a heading": lambda text: (headings.plain_heading(text), headings.column_of(text)),
    "headings": lambda text: headings.find_headings([text, "Voornaam"], {}, "a file"),
    "a spreadsheet's text": lambda text: (
        spreadsheet_texts.as_meant("person_id", texts(text)), spreadsheet_texts.as_meant("city", texts(text))
    ),
    "an encoding": lambda text: encoding.decode(text.encode(), "auto", "a file"),
    "a text": cleaning.clean_one,
    "texts": lambda text: (cleaning.clean_texts(texts(text)), cleaning.damaged(texts(text))),
    "a flag": columns.read_flag,
    "particles": lambda text: cleaning.surnames(texts(text[:200]), texts(text)),
    "a country": lambda text: (checks.to_code(text), checks.likeliest(text)),
    "an option": lambda text: near_option(text, ["Groen", text[:-1]]),
    "debug info": lambda text: named_culprits(MoodleParameterRefused(text, debuginfo=text), []),
}  # fmt: skip


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize("before", ["", "x"])
def test_the_work_grows_with_a_text_and_not_with_its_square(reader: Callable[[str], Any], before: str) -> None:
    assert grows_faster(reader, UNITS, before) == []
