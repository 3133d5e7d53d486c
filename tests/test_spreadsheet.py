"""No text of others begins a formula, in whatever a spreadsheet splits a CSV into."""

from __future__ import annotations

import csv
import io
import json
import re
import time

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_coupling.contract.safe_text import guarded, guarded_json, is_risky
from moodle_coupling.people.arrow import to_texts
from moodle_coupling.preview_output import write_plan
from moodle_coupling.sources.records import as_meant

SIGNS = "=+-@＝＋－＠﹦﹢﹣﹫−"
BEFORE = (
    "",
    " ",
    "\u00a0",
    "\ufeff",
    "\u200b",
    "\u2060",
    "\u00ad",
    "\t",
    "\r",
    "\n",
    '"',
    "'",
    "“",
    " \u200b\ufeff",
    "\x00",
    "\u3000",
    "\u202e",
    "\ufe0f",
)
SPLITTERS = ",;|\t\n\r"
PIECES = st.lists(st.sampled_from([*SIGNS, *BEFORE, *SPLITTERS, "Bos", "1", "a@b", "'"]), max_size=10).map("".join)
INVISIBLE = "".join(set("".join(BEFORE)) - {"'"})


def begins_a_formula(cell: str) -> bool:
    return cell.lstrip(INVISIBLE + " ")[:1] in tuple(SIGNS)


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("before", BEFORE)
def test_a_sign_behind_anything_is_guarded(sign: str, before: str) -> None:
    assert is_risky(f"{before}{sign}1")
    assert guarded(f"{before}{sign}1").startswith("'")
    for splitter in SPLITTERS:
        assert f"'{sign}1" in guarded(f"Bos{splitter}{before}{sign}1")


@given(PIECES, st.sampled_from(",;"))
def test_however_it_is_split_no_cell_begins_a_formula(text: str, written: str) -> None:
    file = io.StringIO()
    csv.writer(file, delimiter=written).writerow(["1", guarded(text), "x"])
    assert [cell for cell in re.split(r"[,;|\t\r\n]", file.getvalue()) if begins_a_formula(cell)] == []
    (row,) = csv.reader(io.StringIO(file.getvalue(), newline=""), delimiter=written)
    assert row[1].replace("'", "") == text.replace("'", "")


@given(PIECES)
def test_json_means_the_same(text: str) -> None:
    given_json = json.dumps({text: ["", text]}, ensure_ascii=False)
    assert json.loads(guarded_json(given_json)) == json.loads(given_json)
    assert [cell for cell in re.split(r"[,;|\t\r\n]", guarded_json(given_json)) if begins_a_formula(cell)] == []


@pytest.mark.parametrize(
    "text", ["", "Bos", "a=b", "E-7", "1", "x, y", "van 't Hart", "'s-Hertogenbosch", "a@b.nl | c@d.nl", '{"a": -5}']
)
def test_what_is_no_formula_stays(text: str) -> None:
    assert guarded(text) == text
    assert guarded_json(text) == text


@pytest.mark.parametrize("text", ["=1", "+31 6 1234", "-x", "@x"])
def test_our_sources_take_the_guard_off(text: str) -> None:
    assert as_meant("lastname", to_texts([guarded(text)])).to_pylist() == [text]


def test_the_preview_is_guarded(capsys: pytest.CaptureFixture[str]) -> None:
    changes = json.dumps({"lastname": ["", "=1;=2"]})
    plan = pd.DataFrame(
        {"lastname": ["=1;=2"], "changes": [changes], "account_id": pd.array([-5], dtype="Int64")}
    ).astype({"lastname": "str", "changes": "str"})
    write_plan(plan, "csv", None)
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["lastname"], row["account_id"]) == ("'=1;'=2", "-5")
    assert json.loads(row["changes"]) == json.loads(changes)


@pytest.mark.parametrize("unit", [",", " ", ";\u200b", '"', ", '", "=", ",=", "\ufeff"])
def test_the_work_grows_with_a_text_however_hostile(unit: str) -> None:
    def seconds(size: int) -> float:
        best, text = float("inf"), unit * (size // len(unit)) + "x"
        for _ in range(2):
            began = time.process_time()
            guarded(text)
            guarded_json(text)
            best = min(best, time.process_time() - began)
        return best

    # Below a millisecond a machine's noise is larger than the work.
    assert seconds(80_000) < 24 * max(seconds(10_000), 0.001)
