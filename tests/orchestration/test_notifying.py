"""People are told once, by real mail and by any notifier of Airflow; nobody's name is in it, and what fails harms no run."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from airflow.sdk import ObjectStoragePath
from orchestration.coupling import MAPPING
from orchestration.recording_notifier import RecordingNotifier
from orchestration.smtp_server import Mails, running_smtp

from moodle_coupling.errors import (
    CoachviewUnreachable,
    MoodleDenied,
    MoodleUnreachable,
    SettingError,
    TooManyFailures,
)
from moodle_coupling.ledger import activity, approvals, leases, schema
from moodle_coupling.ledger.ledger import Ledger, open_ledger
from moodle_coupling.ledger.mismatches import record_mismatches
from moodle_coupling.ledger.runs import begin_run, end_run
from moodle_coupling.ledger.shared_documents import outages
from moodle_coupling.ledger.words import RunState
from moodle_coupling.mapping.file import load_mapping
from moodle_coupling.orchestration import notices, safety
from moodle_coupling.orchestration import outages as waiting
from moodle_coupling.orchestration.notices import Event, Failed, Notice, Waits, WrongFile, tell, tell_digest
from moodle_coupling.orchestration.run import Run
from moodle_coupling.orchestration.watch import watch
from moodle_coupling.words.sentence import Sentence, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moodle_coupling.mapping import Mapping

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
NOTIFY = "notify: {to: [analyst@example.org, engineer@example.org], connection: mail}\n"
BEGIN = dt.datetime(2026, 3, 1, 2, 0, tzinfo=dt.UTC)
CHAT = "orchestration.recording_notifier.RecordingNotifier"
Clocked = tuple[Ledger, list[dt.datetime]]


def mapping(folder: Path, more: str = NOTIFY) -> Mapping:
    path = folder / "trial.yaml"
    path.write_text(MAPPING.format(name="trial") + more)
    return load_mapping(path)


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch, migrated: Path) -> Iterator[Mails]:
    with running_smtp() as running:
        extra = {"from_email": "moodle@example.org", "disable_tls": True, "disable_ssl": True, "retry_limit": 1}
        made = {"conn_type": "smtp", "host": "127.0.0.1", "port": running.port, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_MAIL", json.dumps(made))
        monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
        monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.org/sub/")
        yield running


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    entry = {"notifier": CHAT, "with": {"text": "{{ moodle.subject }} | {{ moodle.text }}"}}
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__NOTIFIERS", json.dumps([entry]))
    monkeypatch.setattr(RecordingNotifier, "refuses", False)
    RecordingNotifier.told.clear()
    yield RecordingNotifier.told
    RecordingNotifier.told.clear()


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clocked]:
    url, clock = f"sqlite:///{tmp_path / 'ledger.db'}", [BEGIN]
    schema.upgrade(url)
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__LEDGER_URL", url)
    opened = open_ledger(url, clock=lambda: clock[0])
    yield opened, clock
    opened.close()


def notice(subject: str = "Moodle 'trial': trouble", body: str = "41 of 100", key: str = "one") -> Notice:
    return Notice(Event.FAILED, "trial", key, text(subject), text(body), "https://airflow.example.org/x?a=1&b=2")


def subjects(mails: Mails) -> list[str]:
    return [str(message["Subject"]) for message in mails.messages]


def context(run_id: str = "manual__1") -> Any:
    return {"dag_run": SimpleNamespace(dag_id="moodle_provision__trial", run_id=run_id), "exception": ValueError("Zoë")}


def started(ledger: Ledger, run_id: str = "manual__1") -> Any:
    return begin_run(ledger, "trial", "moodle_provision__trial", run_id, mode="changed")


def test_everyone_the_mapping_names_gets_the_mail_with_a_link(tmp_path: Path, mails: Mails) -> None:
    assert tell(notice(body="41 of 100 failed.\nUntil 12:00 <UTC>."), mapping(tmp_path).notify, None) == 1
    assert mails.recipients == ["analyst@example.org", "engineer@example.org"]
    (message,) = mails.messages
    assert message["Subject"] == "Moodle 'trial': trouble"
    assert message["From"] == "moodle@example.org"
    assert "41 of 100 failed.<br>" in mails.text
    assert "Until 12:00 &lt;UTC&gt;." in mails.text
    assert '<a href="https://airflow.example.org/x?a=1&amp;b=2">' in mails.text


def test_nobody_to_tell_is_no_mail(tmp_path: Path, mails: Mails) -> None:
    assert tell(notice(), mapping(tmp_path, "").notify, None) == 0
    assert mails.greetings == []


def test_any_notifier_of_airflow_is_told_beside_the_mail(tmp_path: Path, mails: Mails, chat: list[str]) -> None:
    assert tell(notice(), mapping(tmp_path).notify, None) == 2
    assert chat == ["Moodle 'trial': trouble | 41 of 100\nhttps://airflow.example.org/x?a=1&b=2"]


@pytest.mark.parametrize(
    ("only", "told"),
    [
        ({"events": ["failed", "away"]}, True),
        ({"events": ["digest"]}, False),
        ({"environments": ["trial"]}, True),
        ({"environments": ["other"]}, False),
    ],
)
def test_a_notifier_is_told_of_what_it_asks_for(
    tmp_path: Path, chat: list[str], monkeypatch: pytest.MonkeyPatch, only: dict[str, Any], told: bool
) -> None:
    entry = {"notifier": CHAT, "with": {"text": "{{ moodle.event }}"}, **only}
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__NOTIFIERS", json.dumps([entry]))
    assert tell(notice(), mapping(tmp_path, "").notify, None) == told
    assert chat == ["failed"] * told


@pytest.mark.parametrize(
    "said", ["{", "[1]", '[{"with": {}}]', f'[{{"notifier": "{CHAT}", "events": ["lunch"]}}]', '[{"notifier": 1}]']
)
def test_an_option_that_cannot_be_read_is_an_error_and_the_mail_still_goes(
    tmp_path: Path, mails: Mails, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__NOTIFIERS", said)
    with pytest.raises(SettingError) as wrong:
        notices.configured(Event)
    assert wrong.value.said.code == "notifiers.unreadable"
    assert tell(notice(), mapping(tmp_path).notify, None) == 1


@pytest.mark.parametrize("path", ["no.such.Notifier", "Notifier", "pathlib.Path", "airflow.sdk.DAG", CHAT])
def test_what_is_no_notifier_or_takes_other_arguments_is_an_error(path: str) -> None:
    with pytest.raises(SettingError) as wrong:
        notices.Channel(path, {} if path != CHAT else {"words": ""}).made()
    assert wrong.value.said.code == "notifiers.no_notifier"


def test_what_looks_like_a_template_or_a_header_stays_text(tmp_path: Path, mails: Mails) -> None:
    said = notice("ids {{ 7 * 6 }}\nBcc: x@example.org", "{{ 7 * 6 }} {% raw %}")
    assert tell(said, mapping(tmp_path).notify, None) == 1
    (message,) = mails.messages
    assert message["Subject"] == "ids {{ 7 * 6 }} Bcc: x@example.org"
    assert message["Bcc"] is None
    assert "{{ 7 * 6 }} {% raw %}" in mails.text


@pytest.mark.parametrize("trouble", ["refused", "away", "no connection"])
def test_what_was_not_sent_is_a_warning_is_not_noted_and_goes_out_the_next_time(
    tmp_path: Path,
    mails: Mails,
    ledger: Clocked,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    trouble: str,
) -> None:
    opened, _ = ledger
    good = os.environ["AIRFLOW_CONN_MAIL"]
    mails.refuse = trouble == "refused"
    if trouble == "away":
        made = {"conn_type": "smtp", "host": "127.0.0.1", "port": 1, "password": "s3cret", "extra": {"retry_limit": 1}}
        monkeypatch.setenv("AIRFLOW_CONN_MAIL", json.dumps(made))
    if trouble == "no connection":
        monkeypatch.delenv("AIRFLOW_CONN_MAIL")
    with caplog.at_level(logging.WARNING):
        assert tell(notice(), mapping(tmp_path).notify, opened) == 0
    assert "was not sent by SmtpNotifier" in caplog.text
    assert "s3cret" not in caplog.text
    assert activity.recent(opened) == []

    mails.refuse = False
    monkeypatch.setenv("AIRFLOW_CONN_MAIL", good)
    assert tell(notice(), mapping(tmp_path).notify, opened) == 1
    assert tell(notice(), mapping(tmp_path).notify, opened) == 0
    assert len(mails.messages) == 1
    assert [(one.by, one.action, one.detail) for one in activity.recent(opened)] == [
        ("moodle-coupling", "told failed", "SmtpNotifier")
    ]


def test_each_channel_is_told_once_whatever_becomes_of_the_other(
    tmp_path: Path, mails: Mails, ledger: Clocked, chat: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    who = mapping(tmp_path).notify
    monkeypatch.setattr(RecordingNotifier, "refuses", True)
    assert tell(notice(), who, ledger[0]) == 1
    monkeypatch.setattr(RecordingNotifier, "refuses", False)
    assert tell(notice(), who, ledger[0]) == 1
    assert tell(notice(), who, ledger[0]) == 0
    assert tell(notice(key="another"), who, ledger[0]) == 2
    assert (len(mails.messages), len(chat)) == (2, 2)


def test_a_failed_run_is_told_once_a_day_for_one_cause_and_without_what_was_said_of_a_person(
    tmp_path: Path, mails: Mails, ledger: Clocked
) -> None:
    opened, _ = ledger
    tells = Failed("trial", mapping(tmp_path).notify)
    for number, why in enumerate(("plan", "plan", "load")):
        run = started(opened, f"scheduled__{number}")
        end_run(opened, run.id, RunState.FAILED, reason=Sentence("run.tasks_failed", tasks=why).written())
        tells(context(run.run_id))
    assert subjects(mails) == ["Moodle 'trial': a run failed"] * 2
    run = started(opened, "scheduled__4")
    end_run(opened, run.id, RunState.FAILED, reason="Moodle said of Zoë van der Meer: no")
    tells(context(run.run_id))
    assert "Run scheduled__0 for Moodle" in mails.text
    assert "Not every task succeeded: plan." in mails.text
    assert "https://airflow.example.org/sub/dags/moodle_provision__trial/runs/scheduled__4/plugin/" in mails.text
    assert "Zoë" not in mails.text


def test_a_failed_run_that_the_mail_server_did_not_take_is_told_by_the_watch(
    tmp_path: Path, mails: Mails, ledger: Clocked
) -> None:
    opened, clock = ledger
    tells = Failed("trial", mapping(tmp_path).notify)

    def fails(run_id: str, why: str) -> None:
        end_run(opened, started(opened, run_id).id, RunState.FAILED, reason=why)
        tells(context(run_id))

    def watched_after(minutes: int) -> list[str]:
        mails.refuse = False
        watch(tmp_path, clock[0] + dt.timedelta(minutes=minutes))
        return subjects(mails)

    mails.refuse = True
    fails("scheduled__1", "plan")
    assert watched_after(5) == []  # its last task may be tried once more
    assert watched_after(30) == watched_after(60) == ["Moodle 'trial': a run failed"]
    assert "/runs/scheduled__1/" in mails.text

    mails.refuse = True
    fails("scheduled__2", "load")
    assert len(watched_after(30 * 60)) == 1  # that no run ends well is told by then
    clock[0] += dt.timedelta(hours=1)
    end_run(opened, started(opened, "scheduled__3").id, RunState.DONE)
    assert len(watched_after(30)) == 1


def test_a_run_in_which_a_quarantine_began_is_not_told_as_failed_when_that_is_lifted(
    tmp_path: Path, mails: Mails, ledger: Clocked
) -> None:
    opened, clock = ledger
    mapping(tmp_path)
    run = started(opened)
    clock[0] += dt.timedelta(minutes=2)
    leases.impose(opened, "trial", "41 of 100 failed")
    clock[0] += dt.timedelta(minutes=2)
    end_run(opened, run.id, RunState.FAILED, reason="41 of 100 failed")
    leases.lift(opened, "trial", by="bram")
    watch(tmp_path, clock[0] + dt.timedelta(hours=1))
    assert mails.messages == []


def test_a_failed_run_is_told_of_without_a_ledger_too(
    tmp_path: Path, mails: Mails, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__LEDGER_URL", f"sqlite:///{tmp_path / 'no' / 'ledger.db'}")
    Failed("trial", mapping(tmp_path).notify)(context())
    assert subjects(mails) == ["Moodle 'trial': a run failed"]


def test_a_plan_that_waits_is_told_by_the_step_and_not_again_by_the_watch(
    tmp_path: Path, mails: Mails, ledger: Clocked
) -> None:
    opened, _ = ledger
    who, run = mapping(tmp_path).notify, started(opened)
    approvals.ask(opened, run.id, "digest", [Sentence("safeguard.source_empty", n=3, total=3).written()])
    Waits("trial", who)(context())
    watch(tmp_path, BEGIN)
    assert subjects(mails) == ["Moodle 'trial': a plan waits for an approval"]
    assert "nothing was written" in mails.text


def test_a_wrong_file_is_told_once_for_each_error(tmp_path: Path, mails: Mails, ledger: Clocked) -> None:
    (tmp_path / "trial.yaml").write_text(NOTIFY + "fields: [\n")
    watch(tmp_path, BEGIN)
    watch(tmp_path, BEGIN)
    assert subjects(mails) == ["Moodle 'trial': its mapping file is wrong"]
    (tmp_path / "trial.yaml").write_text(NOTIFY + "usernam: {}\n")
    watch(tmp_path, BEGIN)
    assert len(mails.messages) == 2
    WrongFile("trial", "another error", mapping(tmp_path).notify)(context())
    assert len(mails.messages) == 3
    assert "another error" not in mails.text


@pytest.fixture
def run(tmp_path: Path, ledger: Clocked) -> Run:
    opened, _ = ledger
    folder = ObjectStoragePath(f"file://{tmp_path}")
    return Run(mapping(tmp_path), tmp_path / "trial.yaml", folder, opened, started(opened), "dag one")


def test_a_load_that_stopped_itself_is_told_as_a_quarantine_and_not_as_a_failed_run_too(
    tmp_path: Path, mails: Mails, ledger: Clocked, run: Run
) -> None:
    safety.mind_failures(run, TooManyFailures(text("41 of 100 failed"), failed=41, attempted=100))
    end_run(run.ledger, run.record.id, RunState.FAILED, reason="41 of 100 failed")
    Failed("trial", run.mapping.notify)(context())
    watch(tmp_path, BEGIN)
    assert subjects(mails) == ["Moodle 'trial': in quarantine"]
    assert "Scheduled runs stay away until 2026-03-01 08:00 UTC" in mails.text
    leases.impose(run.ledger, "trial", "again")
    watch(tmp_path, BEGIN)
    assert len(mails.messages) == 2


def ti(try_number: int) -> Any:
    return SimpleNamespace(try_number=try_number, max_tries=3)


def test_a_site_that_is_away_is_told_once_with_since_when_and_the_next_try(mails: Mails, run: Run) -> None:
    gone = MoodleUnreachable(text("Zoë is not there"))
    waiting.wait(run, gone, BEGIN + dt.timedelta(seconds=45), ti(1), BEGIN)
    waiting.wait(run, gone, BEGIN + dt.timedelta(minutes=5), ti(1), BEGIN + dt.timedelta(minutes=4))
    assert subjects(mails) == ["Moodle 'trial' does not answer"]
    assert "has not answered since 2026-03-01 02:00 UTC. The next try is at 02:00:45 UTC" in mails.text.replace(
        "&#x27;", "'"
    )
    assert "Zoë" not in mails.text
    known = outages(run.ledger)["trial"]
    assert (known.run, known.since, known.again) == (run.record.id, BEGIN, BEGIN + dt.timedelta(minutes=5))
    waiting.over(run)
    assert outages(run.ledger) == {}
    waiting.wait(run, gone, BEGIN + dt.timedelta(hours=1), ti(1), BEGIN + dt.timedelta(minutes=50))
    assert len(mails.messages) == 2  # another outage


def test_a_site_that_is_away_is_told_by_the_watch_where_it_was_not_told_before_and_no_longer_when_it_is_back(
    tmp_path: Path, mails: Mails, run: Run
) -> None:
    mails.refuse = True
    waiting.wait(run, MoodleUnreachable(text("x")), BEGIN + dt.timedelta(seconds=45), ti(1), BEGIN)
    mails.refuse = False
    watch(tmp_path, BEGIN)
    watch(tmp_path, BEGIN)
    assert subjects(mails) == ["Moodle 'trial' does not answer"]

    waiting.over(run)
    mails.refuse = True
    waiting.wait(run, MoodleUnreachable(text("x")), BEGIN + dt.timedelta(hours=1), ti(1), BEGIN)
    mails.refuse = False
    waiting.over(run)
    watch(tmp_path, BEGIN)
    assert len(mails.messages) == 1


def test_a_source_that_is_away_says_which_try_comes_and_nothing_after_the_last(mails: Mails, run: Run) -> None:
    waiting.wait(run, CoachviewUnreachable(text("x")), None, ti(1), BEGIN)
    assert "Try 2 of 4 is at 02:00:45 UTC." in mails.text
    waiting.over(run)
    waiting.wait(run, CoachviewUnreachable(text("x")), None, ti(4), BEGIN)
    waiting.wait(run, MoodleDenied(text("x")), None, ti(1), BEGIN)
    assert len(mails.messages) == 1
    assert outages(run.ledger) == {}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("schedule: {provision: '@daily'}\n", 1),
        ("schedule: {provision: null, reconcile: null}\n", 0),
        ("schedule: {provision: '@daily'}\nnotify_hours: off\n", 0),
    ],
)
def test_no_good_run_for_too_long_is_told_once_where_one_was_due(
    tmp_path: Path, mails: Mails, ledger: Clocked, more: str, told: int
) -> None:
    opened, clock = ledger
    off = "notify_hours: off\n" in more
    wanted = NOTIFY.replace("}\n", ", no_good_run_hours: off}\n") if off else NOTIFY
    mapping(tmp_path, wanted + more.replace("notify_hours: off\n", ""))
    watch(tmp_path, BEGIN + dt.timedelta(days=9))  # never ran
    end_run(opened, started(opened).id, RunState.DONE)
    clock[0] += dt.timedelta(hours=30)
    end_run(opened, started(opened, "two").id, RunState.FAILED)
    watch(tmp_path, BEGIN + dt.timedelta(hours=35))
    assert subjects(mails) == ["Moodle 'trial': a run failed"]
    watch(tmp_path, BEGIN + dt.timedelta(hours=36))
    watch(tmp_path, BEGIN + dt.timedelta(hours=48))
    assert subjects(mails)[1:] == ["Moodle 'trial': no run has ended well for 36 hours"] * told


def test_of_a_paused_environment_no_good_run_is_expected(
    tmp_path: Path, mails: Mails, ledger: Clocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, _ = ledger
    mapping(tmp_path, NOTIFY + "schedule: {provision: '@daily'}\n")
    started(opened)
    monkeypatch.setenv("AIRFLOW_VAR_MOODLE_COUPLING_PAUSED__MOODLE_TRIAL", "true")
    watch(tmp_path, BEGIN + dt.timedelta(days=3))
    assert mails.messages == []
    monkeypatch.delenv("AIRFLOW_VAR_MOODLE_COUPLING_PAUSED__MOODLE_TRIAL")
    watch(tmp_path, BEGIN + dt.timedelta(days=3))
    assert "No run of &#x27;trial&#x27; has ended well yet" in mails.text


def test_what_is_told_is_in_the_configured_language(
    tmp_path: Path, mails: Mails, ledger: Clocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    tells = Failed("trial", mapping(tmp_path).notify)  # made before anybody asks for a language
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__LANGUAGE", "nl")
    tells(context())
    assert subjects(mails) == ["Moodle 'trial': een run is mislukt"]


def test_parsing_a_dag_with_notifiers_imports_no_mail_library(tmp_path: Path) -> None:
    mapping(tmp_path)
    code = (
        "import sys; from pathlib import Path; import airflow.sdk; from airflow.sdk import BaseNotifier; "
        "before = set(sys.modules); from moodle_coupling.mapping.file import load_mapping; "
        "from moodle_coupling.orchestration.notices import Failed; "
        "assert Failed('trial', load_mapping(Path(sys.argv[1])).notify).who.to; new = set(sys.modules) - before; "
        "print([n for n in ('aiosmtplib', 'airflow.providers.smtp', 'pandas', 'sqlalchemy') if n in new])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "trial.yaml")],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(PLUGINS), "AIRFLOW_HOME": str(tmp_path)},
    )
    assert done.stdout.splitlines()[-1] == "[]"


def mismatches(ledger: Ledger, *persons: int, verdict: str = "id_missing") -> None:
    rows = [
        {
            "row": person,
            "person_id": str(person),
            "extern_id": "",
            "idnumber": f"CV-{person}",
            "account_id": None,
            "verdict": verdict,
            "action": "none",
            "username": "zoe",
            "firstname": "Zoë",
            "lastname": "Meer",
            "email": "zoe@example.org",
            "evidence": "Zoë",
            "other_accounts": "[]",
            "proposal": "",
        }
        for person in persons
    ]
    record_mismatches(ledger, "trial", "run", pd.DataFrame(rows), full=False)


def test_new_mismatches_are_told_once_a_day_by_kind_and_without_names(
    tmp_path: Path, mails: Mails, ledger: Clocked
) -> None:
    opened, clock = ledger
    who = mapping(tmp_path).notify

    def told() -> str:
        mails.messages.clear()
        tell_digest(opened, "trial", who, clock[0])
        return mails.text.replace("&#x27;", "'")

    assert told() == ""
    mismatches(opened, 1, 2)
    mismatches(opened, 3, verdict="email_taken")
    mails.refuse = True
    assert told() == ""
    mails.refuse = False

    said = told()  # not sent before, so not told before
    assert said.startswith("<p>3 mismatches wait for a decision since the last message, 3 in all:")
    assert "(id_missing): 2" in said
    assert "(email_taken): 1" in said
    assert not [value for value in ("Zoë", "Meer", "zoe", "@") if value in said]

    clock[0] += dt.timedelta(hours=3)
    mismatches(opened, 4)
    assert told() == ""  # told today already
    clock[0] += dt.timedelta(days=1)
    assert told().startswith("<p>1 mismatch waits for a decision since the last message, 4 in all:")
    clock[0] += dt.timedelta(days=1)
    assert told() == ""  # nothing new


def test_mismatches_of_a_weekend_are_told_on_monday(ledger: Clocked) -> None:
    opened, clock = ledger
    mismatches(opened, 1)
    activity.note(opened, by="x", environment="trial", action=notices.DIGEST)
    clock[0] += dt.timedelta(hours=20)
    mismatches(opened, 2)
    clock[0] += dt.timedelta(hours=50)
    told = notices.mismatches_digest(opened, "trial", clock[0])
    assert told is not None
    assert told[0] == 1


def test_nobody_told_is_no_digest_noted(tmp_path: Path, ledger: Clocked) -> None:
    opened, clock = ledger
    mismatches(opened, 1)
    assert tell_digest(opened, "trial", mapping(tmp_path, "").notify, clock[0]) == 0
    assert activity.recent(opened) == []
