"""A mapping explained: each key, whether the file or a default said it, and nothing secret."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from pydantic import BaseModel, SecretStr

from moodle_coupling.mapping import Mapping
from moodle_coupling.mapping.source import SourceSettings, declared
from moodle_coupling.provider_info import get_provider_info
from moodle_coupling.web.base.couplings import Coupling
from moodle_coupling.web.environments import pages as mapping_explained
from moodle_coupling.web.environments.pages import DOTS, Origin, explained
from moodle_coupling.words.sentence import entries

SAID = {
    "environment": "demo",
    "connection": "moodle_demo",
    "source": {"type": "file", "path": "persons.csv"},
    "idnumber": "extern_id",
}
TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def setup(monkeypatch):
    def made(host="https://moodle.example.org", extra=None, **said):
        value = {"conn_type": "moodle", "host": host, "password": TOKEN, "extra": extra or {}}
        monkeypatch.setenv("AIRFLOW_CONN_MOODLE_DEMO", json.dumps(value))
        monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
        mapping = Mapping.model_validate(SAID | said)
        return explained(Coupling("demo", "moodle_demo", mapping))

    return made


def entry(setup, section, key):
    (part,) = [one for one in setup.sections if one.key == section]
    (found,) = [one for one in part.entries if one.key == key]
    return found


def test_every_key_of_the_model_is_there(setup):
    made = setup()
    keys = {one.key for one in made.sections} | {each.key for each in made.sections[0].entries}
    assert set(Mapping.model_fields) <= keys


def test_each_says_what_it_means(setup):
    assert all(each.about for section in setup().sections for each in section.entries)


@pytest.mark.parametrize(
    ("section", "key", "value", "origin", "word"),
    [
        ("", "environment", "demo", Origin.FILE, False),
        ("", "title", "not set", Origin.DEFAULT, True),
        ("", "email", "email1, email2, email3", Origin.DEFAULT, False),
        ("", "infix_before_lastname", "no", Origin.FILE, True),
        ("username", "recipe", "email", Origin.FILE, False),
        ("username", "rename", "no", Origin.DEFAULT, True),
        ("safeguards", "suspensions", "count 3", Origin.FILE, False),
        ("safeguards", "updates", "count 20, share 0.3", Origin.DEFAULT, False),
        ("safeguards", "creates", "not watched", Origin.FILE, True),
        ("fields", "city.column", "city", Origin.FILE, False),
        ("fields", "city.write", "always", Origin.DEFAULT, False),
        ("leavers", "grace_days", "14", Origin.DEFAULT, False),
        ("schedule", "reconcile", "not set", Origin.DEFAULT, True),
    ],
)
def test_values_and_where_they_come_from(setup, section, key, value, origin, word):
    made = setup(
        infix_before_lastname=False,
        username={"recipe": "email"},
        safeguards={"suspensions": {"count": 3}, "creates": "off"},
        fields={"city": {"column": "city"}},
    )
    found = entry(made, section, key)
    assert (found.value, found.origin, found.word) == (value, origin, word)


def test_a_default_of_the_connection_is_marked(setup):
    made = setup(extra={"default_lang": "nl"}, fields={"country": {"value": "NL"}})
    assert entry(made, "fields", "lang.value").origin is Origin.CONNECTION
    assert entry(made, "fields", "country.value").origin is Origin.FILE


def test_a_field_from_a_constant_does_not_speak_of_a_column(setup):
    made = setup(fields={"country": {"value": "NL"}})
    (fields,) = [one for one in made.sections if one.key == "fields"]
    assert [one.key for one in fields.entries] == ["country.value", "country.write"]


def test_the_token_and_what_a_proxy_needs_are_dots(setup):
    made = setup(extra={"proxy": "http://me:secret@proxy.example.org:3128"})
    shown = {one.key: one.value for one in made.connection}
    assert shown["Moodle URL"] == "https://moodle.example.org"
    assert shown["Web service token"] == DOTS
    assert shown["proxy"] == DOTS
    assert TOKEN not in repr(made)
    assert "secret" not in repr(made)


def test_people_in_the_file_go_through_the_mask(setup):
    made = setup(notify={"to": ["anna@example.org"]}, matching={"protected_usernames": ["headmaster"]})
    assert entry(made, "notify", "to").value == "anna@example.org"
    mapping = Mapping.model_validate(
        SAID | {"notify": {"to": ["anna@example.org"]}, "matching": {"protected_usernames": ["headmaster"]}}
    )
    masked = explained(Coupling("demo", "moodle_demo", mapping), lambda _: "••••")
    assert "anna" not in repr(masked)
    assert "headmaster" not in repr(masked)
    assert entry(masked, "", "environment").value == "demo"
    assert entry(masked, "matching", "protected_idnumbers").value == "not set"


def test_a_secret_in_a_mapping_would_be_dots():
    assert mapping_explained._written(SecretStr("x")) == DOTS


def test_a_wrong_connection_is_told_and_the_mapping_shown(setup):
    made = setup(host="http://moodle.example.org")
    assert "moodle_demo" in str(made.problem)
    assert TOKEN not in str(made.problem)
    assert made.connection == ()
    assert entry(made, "", "environment").value == "demo"


def test_a_mapping_file_that_is_wrong_shows_its_connection(setup):
    setup()
    made = explained(Coupling("demo", "moodle_demo", None, "wrong"))
    assert made.sections == ()
    assert made.connection


def test_a_mapping_without_connection():
    assert explained(Coupling("demo", "", None, "wrong")) == mapping_explained.Setup((), (), None)


def descriptions(model, seen):
    """Every description in a model of the mapping file and in the models of its fields."""
    if model in seen:
        return
    seen.add(model)
    for field in model.model_fields.values():
        yield field.description
        for part in models_in(field.annotation):
            yield from descriptions(part, seen)


def models_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, SourceSettings):  # which kind it is, only a value tells
        yield from (each for kind in declared().values() for each in (kind.persons, kind.access) if each is not None)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_in(inner)


def test_each_meaning_has_its_dutch():
    """A new or changed description of a key gets its Dutch in words/locale/nl.po."""
    forms = [one for one in get_provider_info()["connection-types"] if one["connection-type"] == "moodle"]
    fields = [field["description"] for field in forms[0]["conn-fields"].values()]
    assert sorted({*descriptions(Mapping, set()), *fields} - set(entries("nl"))) == []
