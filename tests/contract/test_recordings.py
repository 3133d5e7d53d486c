"""The sandbox answers, and changes, as the recorded Moodles did."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest
from contract.access import is_about_access
from contract.other_sites import site_settings
from contract.recording import LONG_FORMS, VERSIONS, fields_in, flattened, load, raw_body
from contract.replay import Replay, replayed
from contract.scope import FIRST_OF_OTHER_SITES, OUT_OF_SCOPE, episodes, reason_left_out

from moodle_coupling.sandbox.moodle import running_moodle

ALL = [recording for version in VERSIONS for recording in load(version)]
IN_SCOPE = [recording for recording in ALL if not reason_left_out(recording)]

results = functools.cache(replayed)


def by_key(recording):
    return f"{recording.version}/{recording.key}"


@pytest.mark.parametrize("recording", IN_SCOPE, ids=by_key)
def test_the_sandbox_does_what_moodle_did(recording):
    assert results(recording.version)[recording.key] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_every_recording_is_replayed_or_left_out_for_a_reason(version):
    recordings = load(version)
    played = [recording.key for run in episodes(recordings) for recording in run]
    left_out = [recording.key for recording in recordings if reason_left_out(recording)]

    assert len(played) == len(set(played))
    assert sorted(played + left_out) == sorted(recording.key for recording in recordings)
    assert len(played) > 200


def test_nothing_is_left_out_from_310_on_and_nothing_of_cohorts_courses_and_enrolments():
    left_out = [recording for recording in ALL if reason_left_out(recording)]

    assert [by_key(r) for r in left_out if r.order >= FIRST_OF_OTHER_SITES or is_about_access(r)] == []
    assert sum(is_about_access(r) for r in IN_SCOPE) > 200


@pytest.mark.parametrize("version", VERSIONS)
def test_a_recording_that_is_played_otherwise_is_noticed(version):
    """A replay that compares nothing would pass too: so each kind of fact is bent once, and must show."""
    bent = [
        (386, "database_after", [{"data": "1714521600", "dataformat": "0"}]),
        (379, "body", []),
        (582, "database_after", [{"auth": "manual", "password": "", "pref_auth_forcepasswordchange": "0"}]),
        (630, "status", 404),
        (589, "debuginfo_if_debugging", "Something else"),
    ]
    recordings = {recording.order: recording for recording in load(version) if recording.order >= FIRST_OF_OTHER_SITES}
    wrong = [replace(recordings[order], data={**recordings[order].data, key: value}) for order, key, value in bent]
    with running_moodle(settings={"release": version, **site_settings(version)}) as site, Replay(site) as replay:
        replay.play(recordings[367])
        assert [replay.play(recording) != [] for recording in wrong] == [True] * len(bent)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_recording_of_access_that_is_played_otherwise_is_noticed(version):
    bent = [
        (657, "body", {"warnings": []}),
        (657, "database_after", []),
        (660, "body", [{"cohortid": 1, "userids": []}, {"cohortid": 2, "userids": []}]),
        (664, "debuginfo_if_debugging", "Something else"),
        (676, "body", {"courses": [], "warnings": []}),
        (686, "database_after", [{"userid": "1", "status": "0", "timestart": "0", "timeend": "0", "roles": "1"}]),
        (693, "body", {"exception": "x", "errorcode": "wsusercannotassign", "message": "other"}),
        (707, "body", []),
    ]
    recordings = {recording.order: recording for recording in load(version) if recording.order >= 650}
    wrong = {order: [] for order, _, _ in bent}
    for order, key, value in bent:
        wrong[order].append(replace(recordings[order], data={**recordings[order].data, key: value}))
    with running_moodle(settings={"release": version, **site_settings(version)}) as site, Replay(site) as replay:
        for order in range(650, 708):
            for recording in wrong.get(order, ()):
                assert replay.play(recording) != [], by_key(recording)
            if order in recordings:
                assert replay.play(recordings[order]) == [], order


def test_nothing_is_left_out_that_is_not_recorded():
    assert {recording.name for recording in ALL} >= set(OUT_OF_SCOPE)


@pytest.mark.parametrize("recording", [r for r in ALL if r.name in LONG_FORMS], ids=by_key)
def test_a_long_form_is_made_again_as_it_was(recording):
    head = [tuple(pair) for pair in recording.data["form_head"][3:-1]]
    pairs = flattened(LONG_FORMS[recording.name](recording))

    assert [(name, str(value)) for name, value in pairs[: len(head)]] == head
    assert len(pairs) + 3 == fields_in(recording)


@pytest.mark.parametrize("recording", [r for r in ALL if "raw_request_note" in r.data], ids=by_key)
def test_a_raw_body_is_made_again_as_it_was(recording):
    token = "f" * 32  # as long as Moodle's
    body = raw_body(recording, token)
    note = recording.data["raw_request_note"]
    start = eval(note.split(" starts ", 1)[1])  # noqa: S307 - a bytes literal in our own recording

    assert body.startswith(start.replace(b"TOKEN", token.encode())[: len(start)])
    assert f"raw body, {len(body)} bytes" in note
