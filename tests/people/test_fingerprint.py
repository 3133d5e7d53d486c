"""A fingerprint changes with everything that could be written or judged, and with nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matching.people import mapping, person, persons_frame, reasons_frame

from moodle_coupling.people.table import fingerprints

if TYPE_CHECKING:
    import pandas as pd

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
FIELDS = ("idnumber", "other_id", "username", "firstname", "lastname", "email", "city", "profile_field_klas")


def frame(**values: Any) -> pd.DataFrame:
    return persons_frame([person(city="Delft", profile_field_klas="4B") | values])


def one(candidates: pd.DataFrame, *reasons: tuple[int, str, str, str], **keys: Any) -> str:
    return fingerprints(candidates, mapping(**keys), reasons_frame(*reasons)).iloc[0]


def test_it_is_short_and_always_the_same():
    # The value itself: another one means that every ledger in the world looks at everyone again. See _VERSION.
    assert one(frame()) == one(frame()) == "281b36b80341837fca7903ffda8e84f6"


def test_it_is_the_same_in_another_process_with_another_hash_seed():
    code = (
        "import pandas as pd; from moodle_coupling.people.table import fingerprints;"
        "from moodle_coupling.mapping import Mapping;"
        "m = Mapping.model_validate({'environment': 'demo', 'connection': 'moodle_demo',"
        " 'source': {'path': 'people.csv'}, 'idnumber': 'extern_id'});"
        f"c = pd.DataFrame({frame().to_dict('list')!r});"
        "print(fingerprints(c, m).iloc[0])"
    )
    env = {"PYTHONPATH": str(PLUGINS), "PYTHONHASHSEED": "77"}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == one(frame())


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_counts(field: str):
    assert one(frame(**{field: "other"})) != one(frame())
    assert one(frame(**{field: ""})) != one(frame())


@pytest.mark.parametrize("flag", ["inactive", "in_scope"])
def test_leaving_counts(flag: str):
    assert one(frame(**{flag: True})) != one(frame(**{flag: False}))


def test_a_field_more_counts_also_when_it_is_empty():
    assert one(frame(department="")) != one(frame())


def test_where_the_person_stands_in_the_file_does_not_count():
    assert one(frame(row=99)) == one(frame())
    assert one(frame()[["email", *[name for name in frame().columns if name != "email"]]]) == one(frame())


def test_a_value_that_could_not_be_used_is_not_an_emptied_one():
    plain, remarked = one(frame(city="")), one(frame(city=""), (1, "city_has_tags", "city", "create"))
    assert plain != remarked
    assert remarked != one(frame(city=""), (1, "city_too_long", "city", "create"))
    assert one(frame(city=""), (2, "city_has_tags", "city", "create")) == plain


def test_the_order_and_doubling_of_reasons_do_not_count():
    reasons = [(1, "a", "city", ""), (1, "b", "email", "create")]
    assert one(frame(), *reasons) == one(frame(), *reversed(reasons)) == one(frame(), *reasons, *reasons)


@pytest.mark.parametrize(
    "keys",
    [
        {"username": {"rename": True}},
        {"username": {"transliterate": {"ü": "ue"}}},
        {"write": {"email": "if_empty"}},
        {"matching": {"shared_email": True}},
        {"fields": {"city": {"column": "city"}}},
        {"connection": "moodle_other"},
        {"password": "none"},
    ],
)
def test_a_change_of_what_the_mapping_writes_changes_everyones(keys: dict[str, Any]):
    assert one(frame(), **keys) != one(frame())


@pytest.mark.parametrize(
    "keys",
    [
        {"title": "Another title"},
        {"schedule": {"provision": "@hourly"}},
        {"limits": {"chunk_size": 200}},
        {"safeguards": {"updates": "off"}},
        {"notify": {"to": ["anna@example.org"]}},
        {"source": {"path": "moved/people.csv"}},
    ],
)
def test_a_change_of_when_and_how_carefully_changes_nobodys(keys: dict[str, Any]):
    assert one(frame(), **keys) == one(frame())


def test_the_order_of_keys_in_the_mapping_file_does_not_count():
    city, lang = {"city": {"column": "city"}}, {"lang": {"value": "nl"}}
    assert one(frame(), fields=city | lang) == one(frame(), fields=lang | city)


def test_nobody_has_none():
    assert fingerprints(persons_frame([]), mapping(), reasons_frame()).empty


TEXTS = st.text(alphabet=st.sampled_from(list("ab\\\x1fs,:")), max_size=4)
PAIRS = st.tuples(TEXTS, TEXTS)


@given(PAIRS, PAIRS)
def test_persons_differ_exactly_when_their_values_do(first: tuple[str, str], second: tuple[str, str]):
    both = persons_frame([person(firstname=names[0], lastname=names[1]) for names in (first, second)])
    same = person()
    for name in ("username", "email", "idnumber", "other_id"):
        both[name] = same[name]
    prints = fingerprints(both, mapping())
    assert (prints.iloc[0] == prints.iloc[1]) == (first == second)


def test_keys_that_are_not_said_are_not_in_what_a_fingerprint_counts() -> None:
    said = mapping(fields={"city": {"column": "city"}}).model_dump(mode="json")["fields"]["city"]
    assert said == {"column": "city", "value": None, "default": "", "write": "always"}
    plain = {"column": "city", "value_map": {"a": "b"}}
    dumped = mapping(fields={"city": plain | {"unmatched": "reject"}}).model_dump(mode="json")["fields"]["city"]
    assert dumped["value_map"] == {"a": "b"}
    assert dumped["unmatched"] == "reject"
