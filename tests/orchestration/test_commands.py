"""The commands that need Airflow's database: pause, resume, status, explain and forget, from the command line."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow.models.variable import Variable
from orchestration.coupling import connect
from orchestration.one_person import PERSONS, OnePerson, accounts, make

from moodle_coupling import settings
from moodle_coupling.cli import main
from moodle_coupling.hooks.pause import guard, read_pause
from moodle_coupling.ledger import leases
from moodle_coupling.ledger.activity import recent
from moodle_coupling.ledger.approvals import ask
from moodle_coupling.ledger.leases import acquire, release
from moodle_coupling.ledger.ledger import open_ledger
from moodle_coupling.ledger.people import find_people
from moodle_coupling.ledger.runs import RunState, begin_run, end_run
from moodle_coupling.orchestration import staging, status
from moodle_coupling.orchestration.erasure import forget
from moodle_coupling.orchestration.explanation_steps import heading_of
from moodle_coupling.orchestration.pause import who
from moodle_coupling.orchestration.run import LEASE, the_ledger
from moodle_coupling.sandbox.moodle import running_moodle
from moodle_coupling.words.sentence import Sentence, Texts

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "moodle_coupling_paused__moodle_trial"
PLUGINS = Path(__file__).resolve().parents[2] / "plugins"


@pytest.fixture
def one(tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OnePerson]:
    with running_moodle() as moodle:
        made = make(tmp_path, moodle)
        connect(monkeypatch, "trial", moodle.url, moodle.token)
        monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__MAPPINGS_FOLDER", str(tmp_path))
        monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__LEDGER_URL", f"sqlite:///{tmp_path}/ledger/ledger.db")
        monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
        yield made
        made.ledger.close()
        Variable.delete(KEY)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(arguments)
    said = capsys.readouterr()
    return status, said.out, said.err


def test_pausing_says_why_by_whom_and_since_when_and_resuming_takes_it_away(
    one: OnePerson, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, "pause", "trial", "--reason", "upgrade of the site")
    assert (status, out.startswith("Environment 'trial' is paused.")) == (0, True)
    stored = json.loads(Variable.get(KEY))
    assert stored.pop("since").endswith("Z")
    assert stored == {"paused": True, "reason": "upgrade of the site", "by": who()}

    status, out, _ = run(capsys, "pause", "trial", "--reason", "something else")
    assert status == 0
    assert f"is paused already: upgrade of the site (by {who()}) (since 20" in out
    assert json.loads(Variable.get(KEY))["reason"] == "upgrade of the site"

    status, out, _ = run(capsys, "resume", "trial")
    assert status == 0
    assert "goes on; it was paused: upgrade of the site" in out
    assert read_pause("moodle_trial") is None
    assert Variable.get(KEY, default_var="gone") == "gone"

    assert run(capsys, "resume", "trial")[:2] == (0, "Environment 'trial' was not paused.\n")
    noted = [(act.action, act.by, act.detail) for act in recent(one.ledger, "trial")]
    assert noted == [("resume", who(), ""), ("pause", who(), "upgrade of the site")]


def test_a_paused_environment_gets_no_request_from_explain_or_check(
    one: OnePerson, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "pause", "trial", "--reason", "upgrade")
    before = len(one.moodle.calls.all())
    for command in (["explain", "trial", "1"], ["explain", "trial", "1", "--write"], ["check", "trial"]):
        status, out, err = run(capsys, *command)
        assert status == 1
        assert "upgrade" in out + err
    assert len(one.moodle.calls.all()) == before


@pytest.mark.parametrize("command", ["pause", "resume", "explain", "status"])
def test_an_unknown_environment_is_refused_with_what_there_is(
    one: OnePerson, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    status, out, err = run(capsys, command, "trail", *(["1"] if command == "explain" else []))
    assert (status, out) == (1, "")
    assert "trial" in err
    assert read_pause("moodle_trail") is None


def test_a_mapping_file_that_is_wrong_can_be_paused_all_the_same(
    one: OnePerson, capsys: pytest.CaptureFixture[str]
) -> None:
    one.path.write_text(one.path.read_text() + "nonsense: 1\n")
    assert run(capsys, "pause", "trial")[0] == 0
    assert read_pause("moodle_trial") is not None
    assert "PAUSED" in run(capsys, "status")[1]
    assert run(capsys, "resume", "trial")[0] == 0
    one.path.write_text("environment: trial\n")
    status, _, err = run(capsys, "pause", "trial")
    assert status == 1
    assert "connection" in err


@pytest.mark.parametrize(
    ("value", "command", "said"), [("false", "pause", "NOT paused"), ("true", "resume", "STILL paused")]
)
def test_a_value_that_goes_before_the_database_is_not_taken_for_done(
    one: OnePerson,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    value: str,
    command: str,
    said: str,
) -> None:
    monkeypatch.setenv(f"AIRFLOW_VAR_{KEY.upper()}", value)
    status, out, err = run(capsys, command, "trial")
    assert (status, out) == (1, "")
    assert said in err
    assert f"AIRFLOW_VAR_{KEY.upper()}" in err


def test_a_pause_that_cannot_be_understood_is_told_and_can_be_resumed(
    one: OnePerson, capsys: pytest.CaptureFixture[str]
) -> None:
    Variable.set(KEY, "perhaps")
    assert "mend it" in run(capsys, "pause", "trial")[1]
    assert run(capsys, "resume", "trial")[0] == 0
    guard("moodle_trial")()


def test_without_a_ledger_a_pause_works_and_says_that_it_is_not_noted(
    one: OnePerson, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__LEDGER_URL", f"sqlite:///{one.folder}/none/ledger.db")
    status, _, err = run(capsys, "pause", "trial")
    assert status == 0
    assert "Not noted in the ledger" in err
    assert "moodle-coupling db upgrade" in err
    assert read_pause("moodle_trial") is not None
    status, out, err = run(capsys, "status", "trial")
    assert (status, "PAUSED" in out) == (0, True)
    assert "are not known" in err
    run(capsys, "resume", "trial")
    assert run(capsys, "explain", "trial", "1")[0] == 0
    status, out, err = run(capsys, "explain", "trial", "1", "--write")
    assert (status, out) == (1, "")
    assert "Nothing was written" in err


def test_an_airflow_database_that_does_not_answer_is_said_in_plain_words(one: OnePerson) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "moodle_coupling.cli", "pause", "trial"],
        env={
            **os.environ,
            "PYTHONPATH": str(PLUGINS),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////nowhere/a.db",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("Airflow's database does not answer (OperationalError)")


@pytest.mark.usefixtures("night_runs")
def test_status_tells_what_is_the_matter(one: OnePerson, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "status")[1].splitlines() == [
        "trial (connection moodle_trial) is active.",
        "  No mismatch waits for a decision.",
        "  It has not run yet.",
    ]
    at = history(one)
    status, out, _ = run(capsys, "status", "trial")
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "trial (connection moodle_trial) is held up."
    assert lines[1].startswith("  Scheduled runs stay away until ")
    assert lines[1].endswith(" (quarantine, level 1): 45 of 100 failed.")
    assert lines[2] == f"  A plan waits for approval since {at}: 41 accounts would be suspended. [night3]"
    assert lines[3:] == [
        "  No mismatch waits for a decision.",
        f"  The run of {at} (everything) is under way. [night3]",
        f"  The dry run of {at} ended with its plan; nothing was written. [night2]",
        f"  The run of {at} (what changed) ended well: 10 created, 2 updated and 1 rejected. [night1]",
    ]


@pytest.mark.parametrize(
    ("there", "shown"),
    [
        ({}, "did not load everyone: The run is no longer in Airflow"),
        ({("moodle_provision__trial", "night3"): "failed"}, "failed: The run ended in Airflow"),
    ],
)
def test_status_tells_of_a_run_that_was_ended_or_deleted_in_airflow(
    one: OnePerson,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    there: dict[tuple[str, str], str],
    shown: str,
) -> None:
    at = history(one)
    monkeypatch.setattr(status, "states_of_runs", lambda _: there)
    lines = run(capsys, "status", "trial")[1].splitlines()
    assert not any("waits for approval" in line for line in lines)
    assert lines[3].startswith(f"  The run of {at} (everything) {shown}")


@pytest.fixture
def night_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow has the runs that the ledger has, and they are under way."""
    monkeypatch.setattr(status, "states_of_runs", lambda runs: dict.fromkeys(runs, "running"))


def history(one: OnePerson) -> str:
    """Give the ledger a good run, a dry run and one that waits, and the environment a quarantine; gives the minute."""
    frozen = dt.datetime(2026, 11, 25, 2, 15, tzinfo=dt.UTC)
    ticks = itertools.count()
    ledger = open_ledger(settings.ledger_url(), clock=lambda: frozen + dt.timedelta(milliseconds=next(ticks)))
    good = begin_run(ledger, "trial", "moodle_provision__trial", "night1", mode="changed")
    counts = {"done_create": 10, "done_update": 2, "done": 12, "rejected": 1, "failed": 0}
    end_run(ledger, good.id, RunState.DONE, counts=counts)
    dry = begin_run(ledger, "trial", "moodle_provision__trial", "night2", mode="dry run")
    end_run(ledger, dry.id, RunState.STOPPED, counts={"planned_create": 3}, reason=Sentence("run.dry").written())
    waits = begin_run(ledger, "trial", "moodle_provision__trial", "night3", mode="full")
    ask(ledger, waits.id, "digest", ["41 accounts would be suspended."])
    ledger.close()
    leases.impose(one.ledger, "trial", "45 of 100 failed.")
    return "2026-11-25 02:15 UTC"


@pytest.mark.usefixtures("night_runs")
def test_status_is_told_to_machines_as_json(one: OnePerson, capsys: pytest.CaptureFixture[str]) -> None:
    history(one)
    run(capsys, "pause", "trial", "--reason", "upgrade")
    (one.folder / "broken.yaml").write_text("nonsense: 1\n")
    status, out, _ = run(capsys, "status", "--format", "json")
    told = json.loads(out)
    assert (status, told["ledger"]) == (0, None)
    trial, broken = told["environments"]
    assert (broken["environment"], broken["state"], broken["mismatches"]) == ("broken", "wrong_mapping", None)
    assert "nonsense" in broken["error"]
    assert (trial["environment"], trial["state"], trial["error"]) == ("trial", "paused", None)
    assert (trial["pause"]["reason"], trial["pause"]["by"]) == ("upgrade", who())
    assert trial["last_good"] == "2026-11-25T02:15:00+00:00"
    assert trial["quarantine"]["level"] == 1
    assert trial["waiting"][0]["reasons"] == ["41 accounts would be suspended."]
    assert [(one["run_id"], one["state"]) for one in trial["runs"]] == [
        ("night3", "running"),
        ("night2", "stopped"),
        ("night1", "done"),
    ]
    assert trial["runs"][2]["counts"]["done_create"] == 10


def test_a_mapping_file_that_is_wrong_is_told_by_status_below_its_environment(
    one: OnePerson, capsys: pytest.CaptureFixture[str]
) -> None:
    one.path.write_text(one.path.read_text() + "nonsense: 1\n")
    lines = run(capsys, "status")[1].splitlines()
    assert lines[0] == "trial (connection moodle_trial) is held up."
    assert lines[1].startswith("  Its mapping file is wrong: ")
    assert any("nonsense" in line for line in lines[1:])


def test_explain_shows_the_trace_and_its_status_says_whether_something_is_to_be_mended(
    one: OnePerson, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, "explain", "trial", "1")
    assert status == 0
    assert out.splitlines()[0] == "Person 1 in environment 'trial'"
    assert "5. What is written: create, not written yet" in out
    assert run(capsys, "explain", "trial", "4")[0] == 1
    status, out, _ = run(capsys, "explain", "trial", "99", "--format", "json")
    assert status == 1
    assert json.loads(out)["steps"][0]["ok"] is False


def test_explain_writes_only_with_write_and_never_shows_the_token(
    one: OnePerson, capsys: pytest.CaptureFixture[str]
) -> None:
    before = accounts(one.moodle)
    run(capsys, "explain", "trial", "1")
    assert accounts(one.moodle) == before
    status, out, err = run(capsys, "explain", "trial", "1", "--write", "--format", "json")
    assert (status, json.loads(out)["status"]) == (0, "done")
    assert one.moodle.account("zoe-vander-meer") is not None
    assert one.moodle.token not in out + err


def test_forgetting_takes_the_person_out_of_the_ledger_and_says_what_is_left(
    one: OnePerson, capsys: pytest.CaptureFixture[str]
) -> None:
    one.explain("1", write=True)
    one.explain("3", write=True)
    status, out, _ = run(capsys, "forget", "1", "--environment", "trial")
    assert status == 0
    assert "1: 1 links, 1 outcomes" in out
    assert "Out of the files of earlier runs: 0 rows." in out
    assert "take the person out there first" in out
    assert find_people(one.ledger, "CV-1").empty
    assert find_people(one.ledger, "zoe@example.org").empty
    assert len(find_people(one.ledger, "3")) == 1
    (act,) = recent(one.ledger, "trial")
    assert (act.action, act.by, act.subject) == ("forget", who(), "")
    assert run(capsys, "forget", "jan3@example.org")[0] == 0
    assert find_people(one.ledger, "CV-3").empty
    assert one.moodle.account("zoe-vander-meer") is not None


def test_commands_speak_the_configured_language(
    one: OnePerson, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__LANGUAGE", "nl")
    assert "Omgeving 'trial' is gepauzeerd." in run(capsys, "pause", "trial")[1]
    assert "GEPAUZEERD: geen reden opgegeven" in run(capsys, "status")[1]
    assert "gaat verder" in run(capsys, "resume", "trial")[1]
    assert run(capsys, "explain", "trial", "1")[1].startswith("Persoon 1 in omgeving 'trial'\n1. Gevonden in de bron: ")
    assert "goed" in run(capsys, "validate")[1]
    assert "Zeg wie vergeten moet worden" in run(capsys, "forget", " ")[2]
    assert "Uit de bestanden van eerdere runs" in run(capsys, "forget", "1")[1]


@pytest.mark.parametrize("told_in", ["en", "nl"])
def test_a_trace_is_forgotten_in_whichever_language_it_was_told(one: OnePerson, told_in: str) -> None:
    folder = staging.staging_root() / "trial" / told_in
    folder.mkdir(parents=True)
    mine, other = (Texts(told_in).say(heading_of(person, "trial")) + "\n1. …" for person in ("1", "12"))
    (folder / staging.TRACES).write_text(f"{mine}\n\n{other}")
    forget(the_ledger(), "trial", "1", ["trial"])
    assert (folder / staging.TRACES).read_text() == other


def test_an_id_of_two_persons_forgets_neither(one: OnePerson, capsys: pytest.CaptureFixture[str]) -> None:
    one.persons(
        [("1", "2", *PERSONS[0][2:]), ("2", "1x", *PERSONS[1][2:]), ("4", "2y", *PERSONS[2][2:5], *PERSONS[0][5:])]
    )
    one.explain("1", write=True)  # person 1 has extern id 2
    one.explain("4", write=True)  # and an address that person 4 has as well
    status, _, err = run(capsys, "forget", "zoe@example.org")
    assert status == 1
    assert "several persons in the ledger (1, 4)" in err
    assert len(find_people(one.ledger, "zoe@example.org")) == 2
    assert run(capsys, "forget", " ")[0] == 1


def test_nobody_is_forgotten_while_a_run_could_bring_them_back(
    one: OnePerson, capsys: pytest.CaptureFixture[str]
) -> None:
    one.explain("1", write=True)
    lease = acquire(one.ledger, "trial", "nightly", ttl=LEASE)
    assert "nightly writes" in run(capsys, "forget", "1")[2]
    release(one.ledger, lease)  # type: ignore[arg-type]
    record = begin_run(one.ledger, "trial", "dag", "night", mode="changed")
    ask(one.ledger, record.id, "digest", ["first load"])
    assert "waits for an approval" in run(capsys, "forget", "1", "--environment", "trial")[2]
    assert len(find_people(one.ledger, "CV-1")) == 1
