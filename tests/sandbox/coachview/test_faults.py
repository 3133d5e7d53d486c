"""What can go wrong with a Coachview, over real connections."""

from __future__ import annotations

import http.client
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from sandbox.coachview.client import guid, someone

from moodle_coupling.errors import SettingError
from moodle_coupling.sandbox.coachview import Fault, FaultKind


@pytest.fixture(autouse=True)
def people(office):
    office.people.add(someone(number) for number in range(10))


def pages(client, **params):
    """Give two pages of five, as numbers of persons."""
    got = [client.rows(skip=skip, take=5, orderby="id asc", **params) for skip in (0, 5)]
    return [[int(row["id"][-3:]) if row["id"].startswith(guid(0)[:20]) else "new" for row in page] for page in got]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_error_comes_instead_of_an_answer(office, client, status):
    office.faults.add(f"{status},first=1")

    assert [client.get().status_code for _ in range(2)] == [status, 200]


def test_an_error_of_a_proxy_can_say_when_to_come_back(office, client):
    office.faults.add("503,retry_after=7")
    answer = client.get()

    assert (answer.headers["Retry-After"], answer.headers["Content-Type"]) == ("7", "text/html")


def test_a_page_of_a_browser_can_come_instead_of_json(office, client):
    office.faults.add("html")
    answer = client.get()

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.text.startswith("<!DOCTYPE html>")


def test_json_can_be_broken(office, client):
    office.faults.add("broken_json")
    answer = client.get()

    assert answer.status_code == 200
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()


def test_a_connection_can_be_dropped(office, client):
    office.faults.add("reset,first=1")
    with pytest.raises(requests.ConnectionError):
        client.get()

    assert client.get().status_code == 200


def test_a_body_can_be_cut_short(office, client):
    office.faults.add("truncated,size=100,first=1")
    connection = http.client.HTTPConnection("127.0.0.1", int(office.url.rsplit(":", 1)[1]))
    authorization = {"Authorization": client.session.headers["Authorization"]}
    connection.request("GET", "/api/v1/Personen", headers=authorization)
    with pytest.raises(http.client.IncompleteRead) as cut:
        connection.getresponse().read()
    connection.close()

    assert len(cut.value.partial) == 100


def test_an_answer_can_drip(office, client):
    office.faults.add("slow_drip,seconds=0.001,size=500")

    assert len(client.rows()) == 10


def test_an_answer_can_be_slow(office, client):
    office.faults.add("latency=0.5")
    with pytest.raises(requests.ReadTimeout):
        client.get(timeout=0.1)


def test_an_answer_can_stay_out_until_the_faults_are_cleared(office, client):
    office.faults.add("hold,endpoint=Personen")
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(client.rows)
        while not office.faults._entries[0][1]:
            assert not held.done()
        assert client.rows("Persoonscategorieen") == []
        assert not held.done()
        office.faults.clear()
        assert len(held.result(timeout=60)) == 10


def test_a_good_token_can_be_refused(office, client):
    office.faults.add("token_refused,first=1")

    assert [client.get().status_code for _ in range(2)] == [401, 200]


def test_the_limit_can_be_said_to_be_reached(office, client):
    office.faults.add("quota,first=1")

    assert [client.get().status_code for _ in range(2)] == [429, 200]


def test_a_fault_can_be_of_one_endpoint_only(office, client):
    office.faults.add("500,endpoint=persoonscategorieen")
    office.faults.add("503,endpoint=token")

    assert client.get().status_code == 200
    assert client.get("Persoonscategorieen").status_code == 500
    assert client.token().status_code == 503


def test_a_page_can_end_early(office, client):
    office.faults.add("short_page,rows=2,first=1")

    assert pages(client) == [[0, 1, 2], [5, 6, 7, 8, 9]]


@pytest.mark.parametrize(("rows", "told"), [(3, "13"), (-4, "6"), (-40, "0")])
def test_the_number_of_rows_can_be_wrong(office, client, rows, told):
    office.faults.add(f"wrong_row_count,rows={rows}")

    assert client.get(Count="true").headers["RowCount"] == told
    assert "RowCount" not in client.get().headers


def test_the_number_of_rows_can_be_missing(office, client):
    office.faults.add("no_row_count")

    assert "RowCount" not in client.get(Count="true").headers


def test_a_row_can_come_twice_over_two_pages(office, client):
    office.faults.add("duplicate_row,skip=1,first=1")

    assert pages(client) == [[0, 1, 2, 3, 4], [4, 6, 7, 8, 9]]


def test_a_row_can_come_twice_on_the_first_page(office, client):
    office.faults.add("duplicate_row,first=1")

    assert pages(client) == [[0, 0, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_someone_can_be_removed_between_two_pages_so_that_another_is_missed(office, client):
    office.faults.add("remove_person,first=1")

    assert pages(client) == [[0, 1, 2, 3, 4], [6, 7, 8, 9]]


def test_someone_can_be_inserted_between_two_pages_so_that_another_comes_twice(office, client):
    office.faults.add("insert_person,first=1")

    assert pages(client) == [[0, 1, 2, 3, 4], [4, 5, 6, 7, 8]]
    assert pages(client)[0] == ["new", 0, 1, 2, 3]


def test_someone_can_be_edited_between_two_pages_and_leaves_the_period_that_is_read(office, client):
    office.clock.advance(3 * 86_400)
    client.log_in()
    today = office.clock.stamp("Europe/Amsterdam")[:10]
    before = f"{today[8:]}-{today[5:7]}-{today[:4]}"
    office.faults.add("edit_person,first=1")

    assert pages(client, where=f"audittrail.gewijzigddatumtijd=01-01-2000,{before}") == [[0, 1, 2, 3, 4], [6, 7, 8, 9]]
    assert office.people.get(guid(0))["auditTrail"]["gewijzigdDatumTijd"][:10] == today


def test_it_can_be_said_who_is_edited(office, client):
    office.clock.advance(60)
    office.faults.add(f"edit_person,person={guid(7)}")
    client.rows(take=5)
    stamps = {person["id"]: person["auditTrail"]["gewijzigdDatumTijd"] for person in office.people.all()}

    assert [person for person, stamp in stamps.items() if stamp > stamps[guid(0)]] == [guid(7)]


def test_a_change_of_nobody_changes_nothing(office, client):
    office.people.remove([guid(number) for number in range(10)])
    office.faults.add("edit_person")
    office.faults.add("remove_person")

    assert client.rows() == []


def test_a_fault_is_read_from_a_text():
    fault = Fault.read("short_page,rows=5,endpoint=Personen,skip=2")

    assert fault == Fault(FaultKind.SHORT_PAGE, rows=5, endpoint="Personen", skip=2)
    assert [count for count in range(1, 5) if fault.strikes(count)] == [3, 4]


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("php_warning", "'php_warning' is unknown. Choose one of: latency, hold, reset"),
        ("500,function=x", "has no 'function'. It knows: endpoint, every"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_with_what_can(spec, complaint):
    with pytest.raises(SettingError, match=complaint):
        Fault.read(spec)
