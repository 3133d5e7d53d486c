"""Faults on demand, over real connections."""

from __future__ import annotations

import http.client
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from sandbox.moodle.client import someone

from moodle_coupling.errors import SettingError
from moodle_coupling.sandbox.moodle import Fault, FaultKind


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_error_page_comes_instead_of_an_answer_and_no_work_is_done(site, client, status):
    site.faults.add(f"{status},first=1,retry_after=7")
    answer = client.respond("core_user_create_users", users=[someone()])

    assert (answer.status_code, answer.headers["Retry-After"]) == (status, "7")
    assert answer.headers["Content-Type"] == "text/html"
    assert site.account("jan") is None
    assert len(client.create(someone())) == 1


def test_an_error_page_can_come_after_the_work_was_done(site, client):
    site.faults.add("502,first=1,after=1")

    assert client.respond("core_user_create_users", users=[someone()]).status_code == 502
    assert site.account("jan") is not None


def test_a_reset_before_the_work_leaves_nothing(site, client):
    site.faults.add("reset_before,first=1")
    with pytest.raises(requests.ConnectionError):
        client.create(someone())

    assert site.account("jan") is None


def test_a_reset_after_the_work_loses_only_the_answer(site, client):
    site.faults.add("reset_after,first=1")
    with pytest.raises(requests.ConnectionError):
        client.create(someone())

    assert site.account("jan") is not None


def test_a_body_can_be_cut_short(site, client):
    site.faults.add("truncated,first=1")
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        client.info()

    assert client.info()["userid"] == 3


def test_a_body_can_be_cut_at_a_given_size(site):
    site.faults.add("truncated,size=10")
    connection = http.client.HTTPConnection("127.0.0.1", int(site.url.rsplit(":", 1)[1]))
    connection.request("GET", "/webservice/rest/server.php")
    with pytest.raises(http.client.IncompleteRead) as cut:
        connection.getresponse().read()
    connection.close()

    assert cut.value.partial == b"<?xml vers"


def test_a_page_can_come_instead_of_json(site, client):
    site.faults.add("html")
    answer = client.respond("core_webservice_get_site_info")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.text.startswith("<!DOCTYPE html>")


def test_a_php_warning_can_stand_before_the_json(site, client):
    site.faults.add("php_warning")
    text = client.respond("core_webservice_get_site_info").text

    assert text.startswith("<br />\n<b>Warning</b>:")
    assert '{"sitename"' in text


def test_an_answer_can_be_slow_to_begin(site, client):
    site.faults.add("latency=0.5")
    with pytest.raises(requests.ReadTimeout):
        client.respond("core_webservice_get_site_info", timeout=0.1)


def test_an_answer_can_be_held_until_the_faults_are_cleared(site, client):
    site.faults.add("hold,function=core_user_create_users")
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(client.create, someone())
        while not site.faults._entries[0][1]:
            assert not held.done()
        assert client.info()["userid"] == 3
        assert not held.done()
        assert site.account("jan") is None
        site.faults.clear()
        assert len(held.result(timeout=60)) == 1


def test_an_answer_can_drip(site, client):
    site.faults.add("slow_drip,seconds=0.001,size=100")

    assert client.info()["userid"] == 3


def test_a_fault_can_be_of_one_function_only(site, client):
    site.faults.add("500,function=core_user_create_users")

    assert client.info()["userid"] == 3
    assert client.respond("core_user_create_users", users=[someone()]).status_code == 500


def test_faults_can_be_combined(site, client):
    site.faults.add("latency=0.01")
    site.faults.add("503,first=1")

    assert [client.respond("core_webservice_get_site_info").status_code for _ in range(2)] == [503, 200]


@pytest.mark.parametrize(
    ("fault", "struck"),
    [
        (Fault(FaultKind.HTML), [1, 2, 3, 4, 5, 6]),
        (Fault(FaultKind.HTML, first=2), [1, 2]),
        (Fault(FaultKind.HTML, every=3), [3, 6]),
        (Fault(FaultKind.HTML, every=2, first=2), [2, 4]),
        (Fault(FaultKind.HTML, skip=2, first=1), [3]),
        (Fault(FaultKind.HTML, skip=1, every=2), [3, 5]),
    ],
)
def test_a_fault_strikes_as_often_as_it_says(fault, struck):
    assert [count for count in range(1, 7) if fault.strikes(count)] == struck


def test_a_fault_is_read_from_a_text():
    assert Fault.read("latency=0.5,every=3") == Fault(FaultKind.LATENCY, seconds=0.5, every=3)
    assert Fault.read("503, first=2, retry_after=5") == Fault(FaultKind.ERROR_503, first=2, retry_after=5)


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("teapot", "'teapot' is unknown. Choose one of: latency, hold, 500"),
        ("500,often=1", "has no 'often'. It knows: after, every"),
        ("500,first=x", "invalid literal"),
        ("500,every=0", "'every' must be 1 or more"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_with_what_can(spec, complaint):
    with pytest.raises(SettingError, match=complaint):
        Fault.read(spec)


def test_a_fault_survives_json():
    assert Fault.read({"kind": "503", "retry_after": None, "first": 1}) == Fault(FaultKind.ERROR_503, first=1)


def test_a_client_that_hangs_up_does_not_stop_the_work(site):
    site.faults.add("latency=0.3")
    people = "&".join(
        f"users[{n}][{key}]={value}" for n in range(50) for key, value in someone(f"jan{n}").items()
    )  # fmt: skip
    body = f"wstoken={site.token}&wsfunction=core_user_create_users&moodlewsrestformat=json&{people}"
    connection = http.client.HTTPConnection("127.0.0.1", int(site.url.rsplit(":", 1)[1]))
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/webservice/rest/server.php", body, kind)
    connection.close()

    deadline = time.monotonic() + 10
    while len(site.accounts()) < 53 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(site.accounts()) == 53
