"""Where a sandbox's people come from: a file, the samples, or nowhere at all."""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
from pathlib import Path

import pytest
from sandbox.coachview.client import Client, someone

from moodle_coupling.errors import SourceError
from moodle_coupling.sandbox.coachview import DEFAULT_FREE_FIELDS, FreeField, running_coachview
from moodle_coupling.sandbox.coachview.people import People
from moodle_coupling.sandbox.coachview.samples import generate_people, read_people

SAMPLES = Path(__file__).parents[3] / "include" / "samples"


def written(folder: Path, content: object) -> Path:
    path = folder / "people.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_a_file_can_be_a_list_of_persons(tmp_path):
    found = read_people(written(tmp_path, [someone()]))

    assert (found.people, found.free_fields) == ([someone()], DEFAULT_FREE_FIELDS)


def test_a_file_can_define_the_free_fields(tmp_path):
    definition = {"code": "VrijveldKleur", "vertrouwelijk": True}
    found = read_people(written(tmp_path, {"vrijveldDefinities": [definition], "personen": []}))

    assert found.free_fields == (FreeField("VrijveldKleur", vertrouwelijk=True),)
    assert found.free_fields[0].as_json()["label"] == "VrijveldKleur"
    assert read_people(written(tmp_path, {"personen": [someone()]})).free_fields == DEFAULT_FREE_FIELDS


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is no JSON"),
        ('"people"', "must hold a list of persons"),
        ({"persons": []}, "must hold a list of persons, or an object with 'personen'"),
        ({"personen": {}}, "persons must be a list of objects"),
        ([1], "persons must be a list of objects"),
        ({"personen": [], "vrijveldDefinities": [{"code": "Kleur"}]}, "code 'Kleur' must be 'Vrijveld' and letters"),
        ({"personen": [], "vrijveldDefinities": [{"code": "Vrijveld" + "x" * 18}]}, "25 characters at most"),
        ({"personen": [], "vrijveldDefinities": [{"colour": "red"}]}, "definition cannot be"),
    ],
)
def test_a_file_in_another_form_is_refused(tmp_path, content, complaint):
    with pytest.raises(SourceError, match=complaint) as refused:
        read_people(written(tmp_path, content))
    assert "people.json" in str(refused.value)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        read_people(tmp_path / "nothing.json")


@pytest.fixture
def lines():
    with (SAMPLES / "persons.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file, delimiter=";"))
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:] if len(row) == len(rows[0])]


@pytest.fixture
def people():
    return {person["id"]: person for person in read_people(SAMPLES / "coachview.json").people}


class TestTheSamples:
    """include/samples: the same people as a file and as Coachview has them."""

    def test_coachview_takes_them(self):
        found = read_people(SAMPLES / "coachview.json")
        with running_coachview(people=found.people, free_fields=found.free_fields) as sandbox:
            assert len(sandbox.people) == len(found.people) > 390

    def test_they_are_those_of_the_file_except_who_cannot_be_in_coachview(self, lines, people):
        able = [line for line in lines if line["Achternaam"] and line["Inactief"] in ("ja", "nee")]

        assert len(lines) - len(able) == 2
        assert [line["PersonId"] for line in able] == list(people)
        for line in able:
            person = people[line["PersonId"]]
            assert person.get("externId", "") == line["ExternId"]
            assert person.get("voornaam", "") == line["Voornaam"]
            assert person.get("tussenvoegsels", "") == line["Tussenvoegsel"]
            assert person["achternaam"] == line["Achternaam"]
            assert (person.get("email1", ""), person.get("email2", "")) == (line["E-mail"], line["E-mail 2"])
            assert (person["adres"]["plaats"], person["adres"]["landCode"]) == (line["Plaats"], line["Land"])
            assert person["vrijevelden"]["Vrijveld1"] == line["Vrijveld1"]
            assert person["vrijevelden"]["VrijveldAfdeling"] == line["Afdeling"]
            assert person["inactief"] is (line["Inactief"] == "ja")
            assert line["Categorie"] in person["categorieen"]

    def test_there_are_some_of_every_kind(self, people):
        shared = [p for p in people.values() if p.get("externSource") == "Magister"]

        assert sum(person["inactief"] for person in people.values()) >= 5
        assert len({tuple(person["categorieen"]) for person in people.values()}) == 2
        assert len(shared) == 2
        for person in shared:
            same = [p["externSource"] for p in people.values() if p.get("externId") == person["externId"]]
            assert same == ["AFAS", "Magister"]

    def test_ids_rise_with_extern_ids_so_that_names_are_numbered_in_that_order(self, people):
        own = {
            p["externId"]: p["id"]
            for p in reversed(people.values())
            if re.fullmatch(r"CV-\d{5}", p.get("externId", ""))
        }

        assert len(own) > 380
        assert [own[extern_id] for extern_id in sorted(own)] == sorted(own.values())


class TestInventedPeople:
    """generate_people, for benchmarks."""

    def test_they_fit_and_are_always_the_same(self):
        people = People(lambda: "", DEFAULT_FREE_FIELDS)
        people.add(generate_people(3000))

        assert people.all() == list(generate_people(3000))
        assert len({person["id"] for person in people.all()}) == 3000
        assert people.all() != list(generate_people(3000, seed=2))
        assert sum(person["inactief"] for person in people.all()) == 60

    def test_they_can_all_have_changed_on_one_day(self):
        day = dt.date(2024, 2, 29)
        people = list(generate_people(50, first_day=day, last_day=day))

        assert {person["auditTrail"]["gewijzigdDatumTijd"][:10] for person in people} == {"2024-02-29"}
        assert all(p["auditTrail"]["aangemaaktDatumTijd"] <= p["auditTrail"]["gewijzigdDatumTijd"] for p in people)

    def test_a_sandbox_gives_them_page_by_page(self):
        with running_coachview(people=generate_people(250), settings={"take_default": 7}) as sandbox:
            client = Client(sandbox)
            with client.session:
                client.log_in()
                rows = client.rows(skip=245, take=100, where="externsource=generator")
                default = client.rows()

        assert [row["externId"] for row in rows] == [f"GEN-{number:07}" for number in range(246, 251)]
        assert len(default) == 7
