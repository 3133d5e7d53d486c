"""People are told by real mail, nobody's name is in it, and a mail that fails harms no run."""

from __future__ import annotations

import datetime as dt
import json
import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from airflow.sdk import DAG
from orchestration.coupling import MAPPING
from orchestration.smtp_server import Mails, running_smtp

from moodle_coupling.ledger import schema
from moodle_coupling.ledger.ledger import Ledger, open_ledger
from moodle_coupling.ledger.mismatches import record_mismatches
from moodle_coupling.mapping.file import load_mapping
from moodle_coupling.orchestration.notices import (
    FAILED_BODY,
    FAILED_SUBJECT,
    WAITS_BODY,
    WAITS_SUBJECT,
    WRONG_FILE_BODY,
    mismatches_digest,
    notifiers,
    tell,
)
from moodle_coupling.words.sentence import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moodle_coupling.mapping import Mapping
    from moodle_coupling.words.sentence import Sentence

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
NOTIFY = "notify: {to: [analyst@example.org, engineer@example.org], connection: mail}\n"
BEGIN = dt.datetime(2026, 3, 1, 2, 0, tzinfo=dt.UTC)


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
        yield running


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[tuple[Ledger, list[dt.datetime]]]:
    url, clock = f"sqlite:///{tmp_path / 'ledger.db'}", [BEGIN]
    schema.upgrade(url)
    opened = open_ledger(url, clock=lambda: clock[0])
    yield opened, clock
    opened.close()


def context() -> Any:
    task = SimpleNamespace(body="1 of 2 accounts would be suspended <b>")
    ti = SimpleNamespace(task_id="approve", log_url="https://airflow.example.org/log")
    dag = DAG("moodle_provision__trial", schedule=None)
    return {"task": task, "ti": ti, "dag": dag, "run_id": "manual__1"}


def test_everyone_the_mapping_names_gets_the_mail(tmp_path: Path, mails: Mails) -> None:
    assert tell(mapping(tmp_path), text("Moodle 'trial': in quarantine"), text("41 of 100 failed.\nUntil 12:00 <UTC>."))
    assert mails.recipients == ["analyst@example.org", "engineer@example.org"]
    (message,) = mails.messages
    assert message["Subject"] == "Moodle 'trial': in quarantine"
    assert message["From"] == "moodle@example.org"
    assert "41 of 100 failed.<br>" in mails.text
    assert "Until 12:00 &lt;UTC&gt;." in mails.text


def test_nobody_to_tell_is_no_mail(tmp_path: Path, mails: Mails) -> None:
    nobody = mapping(tmp_path, "")
    assert notifiers(nobody) == []
    assert tell(nobody, text("subject"), text("body"))
    assert mails.greetings == []


def test_ids_that_look_like_a_template_or_a_header_stay_text(tmp_path: Path, mails: Mails) -> None:
    assert tell(mapping(tmp_path), text("ids {{ 7 * 6 }}\nBcc: x@example.org"), text("{{ 7 * 6 }} {% raw %}"))
    (message,) = mails.messages
    assert message["Subject"] == "ids {{ 7 * 6 }} Bcc: x@example.org"
    assert message["Bcc"] is None
    assert "{{ 7 * 6 }} {% raw %}" in mails.text


@pytest.mark.parametrize("trouble", ["refused", "away", "no connection"])
def test_a_mail_that_fails_is_a_warning_without_what_the_server_said(
    tmp_path: Path, mails: Mails, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    mails.refuse = trouble == "refused"
    if trouble == "away":
        made = {"conn_type": "smtp", "host": "127.0.0.1", "port": 1, "password": "s3cret", "extra": {"retry_limit": 1}}
        monkeypatch.setenv("AIRFLOW_CONN_MAIL", json.dumps(made))
    if trouble == "no connection":
        monkeypatch.delenv("AIRFLOW_CONN_MAIL")
    with caplog.at_level(logging.WARNING):
        assert not tell(mapping(tmp_path), text("Approval needed"), text("1 plan"))
        notifiers(mapping(tmp_path), text("Approval needed"), text("1 plan"))[0](context())
    told = [record for record in caplog.records if "could not be sent" in record.getMessage()]
    assert len(told) == 2
    assert "look at the connection 'mail'" in told[0].getMessage()
    assert "s3cret" not in caplog.text
    assert mails.messages == []


def test_the_notifier_of_the_approval_says_what_waits_and_where(tmp_path: Path, mails: Mails) -> None:
    (notifier,) = notifiers(mapping(tmp_path))
    notifier(context())
    (message,) = mails.messages
    assert message["Subject"] == "Moodle coupling: moodle_provision__trial waits for an approval"
    assert "1 of 2 accounts would be suspended &lt;b&gt;" in mails.text
    assert "https://airflow.example.org/log" in mails.text


def test_a_failed_task_is_told_of_without_its_exception(tmp_path: Path, mails: Mails) -> None:
    (notifier,) = notifiers(mapping(tmp_path), FAILED_SUBJECT, FAILED_BODY)
    notifier(context() | {"exception": ValueError("Zoë van der Meer")})
    assert mails.messages[0]["Subject"] == "Moodle coupling: approve of moodle_provision__trial failed"
    assert "manual__1" in mails.text
    assert "Zoë" not in mails.text


@pytest.mark.parametrize(
    ("subject", "body", "said"),
    [
        (WAITS_SUBJECT, WAITS_BODY, "Moodle-koppeling: moodle_provision__trial wacht op goedkeuring"),
        (FAILED_SUBJECT, FAILED_BODY, "Moodle-koppeling: approve van moodle_provision__trial is mislukt"),
        (FAILED_SUBJECT, WRONG_FILE_BODY, "Moodle-koppeling: approve van moodle_provision__trial is mislukt"),
    ],
)
def test_a_mail_is_in_the_configured_language(
    tmp_path: Path, mails: Mails, monkeypatch: pytest.MonkeyPatch, subject: Sentence, body: Sentence, said: str
) -> None:
    (notifier,) = notifiers(mapping(tmp_path), subject, body)  # made before anybody asks for a language
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__LANGUAGE", "nl")
    notifier(context())
    assert mails.messages[0]["Subject"] == said
    assert "{" not in mails.text
    assert '<a href="https://airflow.example.org/log">' in mails.text


def test_a_template_that_does_not_fit_fails_no_task(
    tmp_path: Path, mails: Mails, caplog: pytest.LogCaptureFixture
) -> None:
    notifiers(mapping(tmp_path), text("{{ nothing.at.all }}"), text("{% if %}"))[0](context())
    assert "could not be sent" in caplog.text
    assert mails.messages == []


def test_parsing_a_dag_with_notifiers_imports_no_mail_library(tmp_path: Path) -> None:
    mapping(tmp_path)
    code = (
        "import sys; from pathlib import Path; import airflow.sdk; from airflow.sdk import BaseNotifier; "
        "before = set(sys.modules); from moodle_coupling.mapping.file import load_mapping; "
        "from moodle_coupling.orchestration.notices import notifiers; "
        "assert len(notifiers(load_mapping(Path(sys.argv[1])))) == 1; new = set(sys.modules) - before; "
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
    ledger: tuple[Ledger, list[dt.datetime]],
) -> None:
    opened, clock = ledger
    assert mismatches_digest(opened, "trial", clock[0]) is None
    mismatches(opened, 1, 2)
    mismatches(opened, 3, verdict="email_taken")

    told = mismatches_digest(opened, "trial", clock[0])
    assert told is not None
    assert str(told).startswith("3 mismatches wait for a decision since the last message, 3 in all:")
    assert "(id_missing): 2" in str(told)
    assert "(email_taken): 1" in str(told)
    assert not [value for value in ("Zoë", "Meer", "zoe", "@") if value in told.written()]

    clock[0] += dt.timedelta(hours=3)
    mismatches(opened, 4)
    assert mismatches_digest(opened, "trial", clock[0]) is None  # told today already

    clock[0] += dt.timedelta(days=1)
    told = mismatches_digest(opened, "trial", clock[0])
    assert told is not None
    assert str(told).startswith("1 mismatch waits for a decision since the last message, 4 in all:")
    assert mismatches_digest(opened, "other", clock[0]) is None

    clock[0] += dt.timedelta(days=1)
    assert mismatches_digest(opened, "trial", clock[0]) is None  # nothing new


def test_mismatches_of_a_weekend_are_told_on_monday(ledger: tuple[Ledger, list[dt.datetime]]) -> None:
    opened, clock = ledger
    mismatches(opened, 1)
    assert mismatches_digest(opened, "trial", clock[0]) is not None
    clock[0] += dt.timedelta(hours=20)
    mismatches(opened, 2)
    clock[0] += dt.timedelta(hours=50)
    told = mismatches_digest(opened, "trial", clock[0])
    assert told is not None
    assert "1 mismatch waits" in str(told)
