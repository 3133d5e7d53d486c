"""A check of an environment asks its Moodle and the Coachview its persons come from."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from moodle_coupling.errors import MoodleDenied, SettingError
from moodle_coupling.hooks.moodle.check import Level, is_fit
from moodle_coupling.mapping import Mapping
from moodle_coupling.orchestration import connection_checks as checking
from moodle_coupling.orchestration.connection_checks import check_connection, check_environment, check_one
from moodle_coupling.sandbox.coachview import SandboxCoachview, running_coachview
from moodle_coupling.sandbox.moodle import running_moodle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from moodle_coupling.hooks.moodle.check import Finding

PERSONS = [
    {"achternaam": f"Achter{number}", "externId": f"E{number}", "vrijevelden": {"Vrijveld1": "Groep"}}
    for number in range(3)
]


@pytest.fixture(scope="module")
def moodle() -> Iterator[dict[str, Any]]:
    with running_moodle() as site:
        yield {"conn_type": "moodle", "host": site.url, "password": site.token, "extra": {"allow_http": True}}


@pytest.fixture
def site(moodle: dict[str, Any], monkeypatch: pytest.MonkeyPatch, migrated: Path) -> Iterator[SandboxCoachview]:
    monkeypatch.setenv("AIRFLOW_CONN_MOODLE_TRIAL", json.dumps(moodle))
    with running_coachview(people=PERSONS) as running:
        made = {"conn_type": "coachview", "host": running.url, "login": running.client_id}
        made |= {"password": running.client_secret, "extra": {"allow_http": True}}
        monkeypatch.setenv("AIRFLOW_CONN_CV_TRIAL", json.dumps(made))
        yield running


def mapping(**source: Any) -> Mapping:
    said = {"type": "coachview", "connection": "cv_trial"} | source
    return Mapping.model_validate(
        {"environment": "trial", "connection": "moodle_trial", "idnumber": "extern_id", "source": said}
    )


def bad(found: list[Finding]) -> list[str]:
    return [finding.code for finding in found if finding.level == Level.ERROR]


def test_both_are_fit_and_each_is_told_by_its_connection(site: SandboxCoachview) -> None:
    checked = check_environment(mapping(columns={"free1": "Vrijveld1"}))
    assert checked.is_fit
    assert set(checked.sources) == {"cv_trial"}
    assert next(finding.message for finding in checked.findings if finding.code == "token").startswith("cv_trial: http")
    assert {finding.message.split(": ")[0] for finding in checked.findings} == {"moodle_trial", "cv_trial"}
    assert site.client_secret not in str(checked)


def test_what_the_mapping_needs_and_coachview_does_not_give(
    site: SandboxCoachview, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = json.loads(os.environ["AIRFLOW_CONN_CV_TRIAL"])
    made["extra"] |= {"scopes": "api Personen.Lezen"}
    monkeypatch.setenv("AIRFLOW_CONN_CV_TRIAL", json.dumps(made))
    assert check_environment(mapping()).is_fit
    needed = check_environment(mapping(categories=True))
    assert bad(needed.sources["cv_trial"]) == ["scope_missing"]
    assert not needed.is_fit
    assert is_fit(needed.moodle)


def test_a_source_without_a_connection_does_not_hide_the_moodle(site: SandboxCoachview) -> None:
    checked = check_environment(mapping(connection="nowhere"))
    assert is_fit(checked.moodle)
    assert bad(checked.sources["nowhere"]) == ["connection"]


def test_a_connection_by_itself_by_its_type(site: SandboxCoachview) -> None:
    assert set(check_one("cv_trial").sources) == {"cv_trial"}
    assert check_one("moodle_trial").moodle
    with pytest.raises(SettingError, match="nobody"):
        check_one("nobody")


def test_only_the_moodle_ends_the_quarantine(site: SandboxCoachview, monkeypatch: pytest.MonkeyPatch) -> None:
    lifted: list[str] = []
    monkeypatch.setattr(checking, "the_ledger", lambda: None)
    monkeypatch.setattr(checking, "lift_quarantine", lambda _ledger, environment: bool(lifted.append(environment)))
    assert check_connection("moodle_trial", mapping())["ok"] > 3
    site.settings.change({"scopes": ["api"]})
    with pytest.raises(MoodleDenied, match=r"cv_trial: .*Personen\.Lezen"):
        check_connection("moodle_trial", mapping())
    assert lifted == ["trial", "trial"]
    with pytest.raises(MoodleDenied, match=r"Personen\.Lezen"):
        check_connection("cv_trial")
    assert lifted == ["trial", "trial"]


def test_what_the_latest_load_measured_is_said_without_a_call(
    site: SandboxCoachview, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moodle_coupling.ledger import schema
    from moodle_coupling.ledger.runs import begin_run, end_run
    from moodle_coupling.ledger.words import RunState
    from moodle_coupling.orchestration.run import the_ledger

    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__LEDGER_URL", url)
    schema.upgrade(url)

    def cost() -> list[tuple[str, str]]:
        found = check_environment(mapping(columns={"free1": "Vrijveld1"})).moodle
        return [(str(one.level), one.message) for one in found if one.code == "create_cost"]

    assert cost() == []
    for number, counts in enumerate(
        (
            {"created_by_calls": 500, "create_microseconds": 41_900},
            {"created_by_calls": 3, "create_microseconds": 900_000},
            {},
        )
    ):
        run = begin_run(the_ledger(), "trial", "moodle_provision__trial", f"run {number}", mode="changed")
        end_run(the_ledger(), run.id, RunState.DONE, counts=counts)
    [(level, said)] = cost()
    assert level == "warning"
    assert "42 ms" in said
    assert "500" in said
