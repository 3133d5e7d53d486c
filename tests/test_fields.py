"""The table of Moodle's fields is whole, everything reads it, and a new field is one row of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from moodle_coupling.contract.fields import FIELDS, MAPPED_FIELDS, NEVER_EMPTIED, Account, Field, Takes
from moodle_coupling.mapping.file import json_schema
from moodle_coupling.people.rules import RULE_BY_CODE
from moodle_coupling.sandbox.moodle.descriptions import TYPES, USER, WIDTHS
from moodle_coupling.words.sentence import entries, languages

PLUGINS = Path(__file__).resolve().parents[1] / "plugins"
MAPPED = [field for field in FIELDS if field.mapped]


def named(field: Field) -> str:
    return field.name


@pytest.mark.parametrize("field", FIELDS, ids=named)
def test_a_field_has_its_words_and_is_one_of_moodles(field: Field):
    for language in languages():
        assert {f"field.{field.name}", f"field.{field.name}.noun"} <= entries(language).keys()
    assert field.name in TYPES
    assert field.name in USER.keys
    if field.width:
        assert WIDTHS[field.name] == field.width


@pytest.mark.parametrize("field", MAPPED, ids=named)
def test_a_mapped_field_has_a_rule_for_what_moodle_refuses(field: Field):
    codes = {f"{field.name}_too_long", f"{field.name}_has_tags"} if field.takes is Takes.TEXT else {field.refusal}
    assert {RULE_BY_CODE[code].field for code in codes} == {field.name}


@pytest.mark.parametrize(
    ("name", "taken", "refused"),
    [
        ("auth", "oidc", "OIDC"),
        ("auth", "a" * 20, "a" * 21),
        ("lang", "en_us", "en-US"),
        ("country", "NL", "nl"),
        ("city", "I < 3", "We <3 school"),
        ("city", "a" * 120, "a" * 121),
        ("institution", "a" * 255, "a" * 256),
        ("department", "R&D", "<b>R&D</b>"),
        ("timezone", "Europe/Amsterdam", "Europe/Amsterdm"),
        ("timezone", "99", "98"),
        ("theme", "boost", "Boost"),
    ],
)
def test_what_moodle_takes(name: str, taken: str, refused: str):
    field = next(field for field in FIELDS if field.name == name)
    assert field.fits(taken)
    assert not field.fits(refused)


def test_whoever_cannot_do_without_a_value_is_never_emptied():
    assert sorted(NEVER_EMPTIED) == ["auth", "email", "firstname", "lang", "lastname", "timezone"]


def test_an_account_gives_each_field_by_its_name():
    account = Account(7, "anna", email="anna@example.org", mapped={"city": "Ede"})
    values = {field.name: account.value(field.name) for field in FIELDS}
    assert values["username"] == "anna"
    assert values["city"] == "Ede"
    assert values["theme"] == ""
    assert values["suspended"] is False


def test_a_mapping_file_can_name_the_mapped_fields_and_no_other():
    fields = json_schema()["properties"]["fields"]
    assert tuple(fields["properties"]) == MAPPED_FIELDS
    assert fields["additionalProperties"] is False


NEW_FIELD = """
import sys, types
from pathlib import Path
import moodle_coupling.contract

path = Path(moodle_coupling.contract.__file__).with_name("fields.py")
row = '''Field("alternatename", 255, Takes.TEXT, Seen.ALWAYS, mapped=True, emptied=True),'''
source = path.read_text("utf-8").replace('    Field("suspended"', row + ' Field("suspended"')
assert row in source
module = types.ModuleType("moodle_coupling.contract.fields")
sys.modules[module.__name__] = module
moodle_coupling.contract.fields = module
exec(compile(source, str(path), "exec"), module.__dict__)

import pandas as pd
from moodle_coupling.hooks.moodle.records import account
from moodle_coupling.hooks.moodle.records import AccountChange
from moodle_coupling.mapping import Mapping
from moodle_coupling.mapping.checks import constant_problem
from moodle_coupling.matching.frames import accounts_frame
from moodle_coupling.matching.plan import make_plan
from moodle_coupling.people.transform import transform
from moodle_coupling.provisioning.lookups import holds
from moodle_coupling.words.sentence import Texts, entries
from moodle_coupling.web.runs.rows import field_word

entries("en")["field.alternatename"] = "Alias"
entries("nl")["field.alternatename"] = "Roepnaam"

mapping = Mapping.model_validate({
    "environment": "demo", "connection": "moodle_demo", "source": {"path": "people.csv"}, "idnumber": "extern_id",
    "fields": {"alternatename": {"column": "free1"}},
})
person = {"row": 1, "person_id": "P1", "extern_id": "E1", "firstname": "Anna", "lastname": "Bos",
          "email1": "anna@example.org", "free1": "Ans"}
persons = pd.DataFrame([person, person | {"row": 2, "extern_id": "E2", "email1": "x@example.org", "free1": "<b>"}])
done = transform(persons, mapping)
assert done.reasons["code"].tolist() == ["alternatename_has_tags"]
read = account({"id": 5, "username": "anna-bos", "firstname": "Anna", "lastname": "Bos", "email": "anna@example.org",
                "idnumber": "E1", "alternatename": "Anja"})
plan = make_plan(done.candidates, done.reasons, accounts_frame([read]), mapping)
assert plan["changes"].iloc[0] == '{"alternatename": ["Anja", "Ans"]}', plan["changes"].tolist()
assert holds(read, AccountChange(5, {"alternatename": "Anja"}))
assert "tag" in str(constant_problem("alternatename", "<b>"))
assert [field_word(Texts(language), "alternatename") for language in ("en", "nl")] == ["Alias", "Roepnaam"]
"""


def test_a_new_field_is_one_row_of_the_table():
    run = subprocess.run(
        [sys.executable, "-c", NEW_FIELD], env={"PYTHONPATH": str(PLUGINS)}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
