"""``where`` and ``orderby``: what Coachview is known to take, and nothing more."""

from __future__ import annotations

import pytest
from sandbox.coachview.client import changed, guid, someone

from moodle_coupling.sandbox.coachview.fields import Rules
from moodle_coupling.sandbox.coachview.filters import Snapshot, read_order, read_where
from moodle_coupling.sandbox.coachview.samples import generate_people


@pytest.fixture(autouse=True)
def people(office):
    office.people.add(
        [
            someone(1, achternaam="Aarts", adres={"plaats": "Utrecht"}, auditTrail=changed("2021-06-08", "23:59:59")),
            someone(2, achternaam="Bakker", adres={"plaats": "Zwolle"}, auditTrail=changed("2021-06-09", "00:00:00")),
            someone(3, achternaam="Çelik", adres={"plaats": "utrecht"}, auditTrail=changed("2021-06-09", "17:30:00")),
            someone(4, achternaam="Dekker", inactief=True, auditTrail=changed("2021-06-10", "00:00:00")),
            someone(5, achternaam="El Amrani & Zn", geboortedatum="1999-12-31", auditTrail=changed("2022-01-01")),
        ]
    )


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("achternaam=Bakker", ["Bakker"]),
        ("Achternaam=bakker", ["Bakker"]),
        ("achternaam=bakker,AARTS,nobody", ["Aarts", "Bakker"]),
        ("achternaam=El Amrani & Zn", ["El Amrani & Zn"]),
        ("achternaam=Çelik", ["Çelik"]),
        (f"id={guid(4)},{guid(2)}", ["Bakker", "Dekker"]),
        (f"ID={guid(1).upper()}", ["Aarts"]),
        (f"id>{guid(3)}", ["Dekker", "El Amrani & Zn"]),
        (f"id>={guid(3)}", ["Çelik", "Dekker", "El Amrani & Zn"]),
        ("adres.plaats=Utrecht", ["Aarts", "Çelik"]),
        ("ADRES.PLAATS=Utrecht;inactief=false", ["Aarts", "Çelik"]),
        ("adres.plaats=Utrecht;achternaam=Bakker", []),
        ("adres.plaats>a", ["Aarts", "Bakker", "Çelik"]),
        ("inactief=True", ["Dekker"]),
        ("externid=cv-001,CV-005", ["Aarts", "El Amrani & Zn"]),
        ("geboortedatum=31-12-1999", ["El Amrani & Zn"]),
        ("geboortedatum=30-12-1999,31-12-1999", ["El Amrani & Zn"]),
        ("audittrail.gewijzigddatumtijd=09-06-2021,10-06-2021", ["Bakker", "Çelik"]),
        ("audittrail.gewijzigddatumtijd=10-06-2021,09-06-2021", []),
        ("audittrail.gewijzigddatumtijd=09-06-2021", ["Bakker"]),
        ("audittrail.gewijzigddatumtijd>09-06-2021", ["Çelik", "Dekker", "El Amrani & Zn"]),
        ("audittrail.gewijzigddatumtijd>=10-06-2021", ["Dekker", "El Amrani & Zn"]),
        ("auditTrail.gewijzigdDatumTijd>=09-06-2021;audittrail.gewijzigddatumtijd=01-01-2021,10-06-2021", ["Bakker", "Çelik"]),
        ("audittrail.aangemaaktdatumtijd=01-01-2015,02-01-2015;achternaam=Aarts", ["Aarts"]),
        (" achternaam = Aarts , Bakker ; inactief=false ; ", ["Aarts", "Bakker"]),
    ],
)  # fmt: skip
def test_a_filter_gives_who_fits_in_the_order_of_the_list(client, where, names):
    assert client.names(where) == names


def test_a_filter_may_be_percent_encoded_whole(office, client):
    encoded = "%61chternaam%3DEl%20Amrani%20%26%20Zn%3Binactief%3Dfalse"
    answer = client.session.get(f"{office.url}/api/v1/Personen?where={encoded}", timeout=30)

    assert [row["achternaam"] for row in answer.json()] == ["El Amrani & Zn"]


@pytest.mark.parametrize(
    "where",
    [
        "achternaam",
        "achternaam=",
        "achternaam=Aarts,",
        "achternaam<Bakker",
        "achternaam!=Bakker",
        "=Bakker",
        "shoesize=43",
        "adres=Utrecht",
        "Vrijveld1=Groep 3",
        "id=7",
        "inactief=ja",
        f"id>{guid(1)},{guid(2)}",
        "audittrail.gewijzigddatumtijd=2021-06-09",
        "audittrail.gewijzigddatumtijd=31-02-2021",
        "audittrail.gewijzigddatumtijd>09-06-2021 12:00:00",
        "audittrail.gewijzigddatumtijd=09-06-2021,10-06-2021,11-06-2021",
    ],
)
def test_what_is_not_known_to_work_is_refused(client, where):
    answer = client.get(where=where)

    assert answer.status_code == 400
    assert answer.json()["detail"]


def test_the_end_of_a_period_can_belong_to_it(office, client):
    office.settings.change({"period_includes_end": True})

    assert client.names("audittrail.gewijzigddatumtijd=09-06-2021,10-06-2021") == ["Bakker", "Çelik", "Dekker"]
    assert client.names("audittrail.gewijzigddatumtijd=09-06-2021,10-06-2021;id>=" + guid(3)) == ["Çelik", "Dekker"]


def test_a_time_in_a_filter_can_be_obeyed(office, client):
    office.settings.change({"time_in_filter": True})

    assert client.names("audittrail.gewijzigddatumtijd>09-06-2021 17:29:59") == ["Çelik", "Dekker", "El Amrani & Zn"]


def test_letter_case_can_count(office, client):
    office.settings.change({"case_sensitive": True})

    assert client.names("adres.plaats=utrecht") == ["Çelik"]


def test_filters_can_do_nothing_at_all(office, client):
    office.settings.change({"where_obeyed": False})

    assert len(client.names("achternaam=nobody;nonsense")) == 5


@pytest.mark.parametrize(
    ("orderby", "names"),
    [
        # By code point: ç stands behind z.
        ("achternaam desc", ["Çelik", "El Amrani & Zn", "Dekker", "Bakker", "Aarts"]),
        ("audittrail.gewijzigddatumtijd ASC", ["Aarts", "Bakker", "Çelik", "Dekker", "El Amrani & Zn"]),
        ("adres.plaats asc", ["Dekker", "El Amrani & Zn", "Aarts", "Çelik", "Bakker"]),
        ("adres.plaats desc", ["Bakker", "Çelik", "Aarts", "Dekker", "El Amrani & Zn"]),
        ("id", ["Aarts", "Bakker", "Çelik", "Dekker", "El Amrani & Zn"]),
    ],
)
def test_rows_come_in_the_order_asked_for(client, orderby, names):
    assert client.names(orderby=orderby) == names


def test_rows_that_fit_a_filter_come_in_order_too(client):
    assert client.names("inactief=false", orderby="audittrail.gewijzigddatumtijd desc") == [
        "El Amrani & Zn",
        "Çelik",
        "Bakker",
        "Aarts",
    ]


@pytest.mark.parametrize("orderby", ["achternaam up", "achternaam,id", "shoesize asc"])
def test_an_order_that_cannot_be_is_refused(client, orderby):
    assert client.get(orderby=orderby).status_code == 400


def test_guids_can_be_in_the_order_of_sql_server(office, client):
    """It compares the last group first, and the first group from its last byte on."""
    ids = ["01000000-0000-4000-8000-000000000000", "00000001-0000-4000-8000-000000000000", guid(0)]
    office.people.remove([person["id"] for person in office.people.all()])
    office.people.add({"id": each, "achternaam": each} for each in [guid(1), *ids])

    assert client.names(orderby="id asc") == [ids[2], guid(1), ids[1], ids[0]]
    office.settings.change({"guid_order": "sql_server"})
    assert client.names(orderby="id asc") == [ids[2], ids[0], ids[1], guid(1)]
    assert client.names(f"id>{ids[1]}") == [guid(1)]


WHERES = (
    "", "inactief=true", "audittrail.gewijzigddatumtijd=01-01-2020,01-07-2020", "audittrail.gewijzigddatumtijd>01-06-2024",
    "adres.plaats=zwolle,gent;inactief=false", "achternaam=王;audittrail.aangemaaktdatumtijd>=01-01-2021", "id>80", "voornaam=nobody",
    "inactief=true;tussenvoegsels=de",
)  # fmt: skip


@pytest.mark.parametrize("orderby", ["", "id asc", "achternaam desc", "tussenvoegsels asc"])
@pytest.mark.parametrize("where", WHERES)
def test_the_index_finds_what_looking_at_everyone_finds(where, orderby):
    where = where.replace("id>80", "id>80000000-0000-4000-8000-000000000000")
    rules = Rules()
    people = list(generate_people(2000))
    conditions, order = read_where(where, rules), read_order(orderby)
    wanted = [
        number
        for number, person in enumerate(people)
        if all(condition.accepts(rules.key(condition.field, condition.field.of(person))) for condition in conditions)
    ]
    snapshot = Snapshot(people, rules)
    found = list(snapshot.find(conditions, order))

    assert sorted(found) == wanted
    assert list(snapshot.find(conditions, order)) == found
    if order is None:
        assert found == wanted
    else:
        keys = [rules.key(order.field, order.field.of(people[number])) for number in found]
        filled = [key for key in keys if key is not None]
        assert filled == sorted(filled, reverse=order.descending)
        nulls = len(keys) - len(filled)
        assert [key is None for key in keys] == sorted((key is None for key in keys), reverse=not order.descending)
        assert nulls == 0 or orderby.startswith("tussenvoegsels")


def test_more_filters_than_are_kept_are_all_answered(office, client):
    office.people.add(someone(number) for number in range(10, 100))
    for number in [*range(10, 100), 10]:
        assert client.names(f"externid=CV-{number:03}") == [f"Jansen {number:03}"]
