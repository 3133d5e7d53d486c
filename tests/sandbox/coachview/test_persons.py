"""Personen: pages, rows, free fields and categories, as Coachview writes them."""

from __future__ import annotations

import pytest
from sandbox.coachview.client import changed, guid, someone

FREE = {"Vrijveld1": "Groep 3", "VrijveldNotitie": "niet verder vertellen"}


@pytest.fixture
def crowd(office):
    office.people.add(someone(number) for number in range(250))
    return office


def test_a_page_is_a_bare_list_and_the_last_one_is_shorter(crowd, client):
    pages = [client.rows(skip=skip, take=100) for skip in (0, 100, 200, 300)]

    assert [len(page) for page in pages] == [100, 100, 50, 0]
    assert [row["id"] for page in pages for row in page] == [guid(number) for number in range(250)]


def test_take_has_a_default_and_a_maximum(crowd, client):
    crowd.settings.change({"take_default": 20, "take_maximum": 60})

    assert len(client.rows()) == 20
    assert len(client.rows(take=100)) == 60


def test_a_take_over_the_maximum_can_be_refused_instead(crowd, client):
    crowd.settings.change({"take_over_maximum": "refused"})

    assert client.get(take=101).status_code == 400
    assert len(client.rows(take=100)) == 100


@pytest.mark.parametrize("params", [{"take": 0}, {"take": "many"}, {"skip": -1}, {"Count": "maybe"}])
def test_a_parameter_that_cannot_be_is_refused(client, params):
    assert client.get(**params).status_code == 400


def test_the_number_of_rows_is_told_when_asked_for(crowd, client):
    asked = client.get(take=10, where=f"id>={guid(200)}", Count="true")

    assert asked.headers["RowCount"] == "50"
    assert "RowCount" not in client.get(take=10).headers


def test_names_of_endpoints_and_parameters_have_no_letter_case(crowd, client):
    answer = client.get("personen", TAKE=5, COUNT="True")

    assert (len(answer.json()), answer.headers["rowcount"]) == (5, "250")


def test_a_deep_skip_answers_500(crowd, client):
    crowd.settings.change({"deep_skip": 150})

    assert client.get(skip=150).status_code == 200
    assert client.get(skip=151).status_code == 500


def test_a_row_has_coachviews_keys_and_no_empty_ones(office, client):
    office.people.add(
        [
            someone(
                tussenvoegsels="van der",
                voornaam="",
                email1=None,
                adres={"plaats": "Utrecht", "postcode": ""},
                factuurAdres={"plaats": ""},
                auditTrail=changed("2025-06-06", "09:30:00"),
                vrijevelden=FREE,
            )
        ]
    )

    assert client.rows() == [
        {
            "id": guid(1),
            "inactief": False,
            "tussenvoegsels": "van der",
            "achternaam": "Jansen 001",
            "adres": {"plaats": "Utrecht"},
            "externId": "CV-001",
            "auditTrail": {
                "aangemaaktDatumTijd": "2015-01-01T08:00:00",
                "aangemaaktDoor": "Sandbox",
                "gewijzigdDatumTijd": "2025-06-06T09:30:00",
                "gewijzigdDoor": "Sandbox",
            },
        }
    ]


@pytest.mark.parametrize(("empty", "value"), [("null", None), ("empty", "")])
def test_what_is_empty_can_be_there_all_the_same(office, client, empty, value):
    office.settings.change({"empty_values": empty})
    office.people.add([someone(adres={"plaats": "Utrecht"})])
    (row,) = client.rows()

    assert row["voornaam"] == value
    assert row["adres"]["postcode"] == value
    assert row["geboortedatum"] is None
    assert (row["adres"]["plaats"], row["inactief"]) == ("Utrecht", False)


def test_nothing_of_free_fields_is_told_unasked(office, client):
    office.people.add([someone(vrijevelden=FREE, extraVelden={"nummer": 3}, directeRelaties=[{"naam": "Werkgever"}])])

    assert not {"vrijevelden", "extraVelden", "directeRelaties", "categorieen"} & set(client.rows()[0])


def test_free_fields_come_as_a_list_with_the_confidential_ones_marked(office, client):
    office.people.add([someone(vrijevelden=FREE)])
    (row,) = client.rows(InclusiefVrijevelden="true")
    fields = {field["vrijveldDefinitie"]["code"]: field for field in row["vrijevelden"]}

    assert fields["Vrijveld1"]["data"] == "Groep 3"
    assert fields["Vrijveld2"]["data"] is None
    assert set(fields["Vrijveld1"]["vrijveldDefinitie"]) == {
        "volgorde", "code", "label", "vrijveldTypeId", "expressie", "inactief", "vertrouwelijk",
    }  # fmt: skip
    assert [code for code, field in fields.items() if field["vrijveldDefinitie"]["vertrouwelijk"]] == [
        "VrijveldNotitie"
    ]


def test_free_fields_can_be_an_object_or_stand_on_the_row(office, client):
    office.people.add([someone(vrijevelden=FREE)])
    with office.settings.changed(free_fields="object"):
        (as_object,) = client.rows(InclusiefVrijevelden="true")
    with office.settings.changed(free_fields="top_level", empty_values="null"):
        (on_row,) = client.rows(InclusiefVrijevelden="true")

    assert as_object["vrijevelden"] == FREE
    assert (on_row["Vrijveld1"], on_row["Vrijveld2"], "vrijevelden" in on_row) == ("Groep 3", None, False)


def test_extra_fields_and_relations_come_when_asked_for(office, client):
    office.people.add([someone(extraVelden={"nummer": 3}, directeRelaties=[{"naam": "Werkgever"}])])
    (row,) = client.rows(InclusiefExtraVelden="true", InclusiefDirecteRelaties="true")

    assert (row["extraVelden"], row["directeRelaties"]) == ({"nummer": 3}, [{"naam": "Werkgever"}])


def test_the_free_fields_of_one_person_can_be_listed(office, client):
    office.people.add([someone(1, vrijevelden=FREE), someone(2)])
    rows = client.rows("Personen/Vrijevelden", where=f"recordId={guid(1).upper()}")

    assert [row["data"] for row in rows if row["data"]] == ["Groep 3", "niet verder vertellen"]
    assert len(client.rows("Personen/Vrijevelden", where=f"recordId={guid(1)},{guid(2)}")) == 2 * len(rows)
    assert client.rows("Personen/Vrijevelden", where=f"recordId={guid(9)}") == []


@pytest.mark.parametrize("where", ["", "id=1", "recordId>1", "recordId=1;recordId=2"])
def test_free_fields_are_listed_by_record_only(client, where):
    assert client.get("Personen/Vrijevelden", where=where).status_code == 400


def test_categories_are_asked_for_by_person(office, client):
    office.people.add([someone(1, categorieen=["Cursist", "Docent"]), someone(2, categorieen=["Cursist"]), someone(3)])
    first = client.rows("Persoonscategorieen", PersoonId=guid(1))

    assert [row["naam"] for row in first] == ["Cursist", "Docent"]
    assert len({row["id"] for row in first}) == 2
    assert client.rows("Persoonscategorieen", PersoonId=guid(2)) == first[:1]
    assert client.rows("Persoonscategorieen", PersoonId=guid(3)) == []
    assert client.rows("Persoonscategorieen") == first
    assert client.get("Persoonscategorieen", PersoonId=f"{guid(1)},{guid(2)}").status_code == 400


def test_categories_of_several_say_whose_they_are_where_that_is_possible(office, client):
    office.settings.change({"categories_of_several": True})
    office.people.add([someone(1, categorieen=["Cursist", "Docent"]), someone(2, categorieen=["Cursist"])])
    rows = client.rows("Persoonscategorieen", PersoonId=f"{guid(1)},{guid(2)}")

    assert [(row["persoonId"], row["naam"]) for row in rows] == [
        (guid(1), "Cursist"),
        (guid(1), "Docent"),
        (guid(2), "Cursist"),
    ]


def test_lists_are_only_read_and_others_are_not_there(office, client):
    posted = client.session.post(f"{office.url}/api/v1/Personen", json={}, timeout=30)

    assert (posted.status_code, posted.headers["Allow"]) == (405, "GET")
    assert client.get("Opleidingen").status_code == 404
    assert client.session.get(office.url, timeout=30).status_code == 404


@pytest.mark.parametrize(
    ("form", "kind", "begin"),
    [
        ("problem", "application/problem+json", '{"type"'),
        ("text", "text/plain; charset=utf-8", "Bad"),
        ("nothing", None, ""),
    ],
)
def test_an_error_can_be_worded_in_several_ways(office, client, form, kind, begin):
    office.settings.change({"error_body": form})
    answer = client.get(where="nonsense")

    assert (answer.status_code, answer.headers.get("Content-Type")) == (400, kind)
    assert answer.text.startswith(begin)
    assert bool(answer.text) is bool(begin)


def test_an_answer_can_take_its_time(office, client):
    office.people.add(someone(number) for number in range(10))
    office.settings.change({"latency": 0.05, "latency_per_row": 0.01, "latency_per_skipped": 0.02})
    client.rows(skip=2, take=5)

    assert office.calls.all("Personen")[-1].seconds >= 0.05 + 5 * 0.01 + 2 * 0.02
    office.settings.change({"realistic": True})
    assert office.settings.seconds(100, 1000) == pytest.approx(0.15 + 0.1 + 0.05)
