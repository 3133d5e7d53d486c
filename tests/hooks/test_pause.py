from __future__ import annotations

import pytest

from moodle_coupling.errors import CouplingPaused
from moodle_coupling.hooks import pause
from moodle_coupling.words.sentence import Sentence, Texts


@pytest.mark.parametrize(
    "raw", [None, "false", "False", "0", "no", "nee", "", " null ", '{"paused": false, "reason": "x"}']
)
def test_absent_or_false_runs(raw: str | None) -> None:
    assert pause.read_value(raw) is None


@pytest.mark.parametrize("raw", ["true", "True", " 1 ", "yes", "ja", '{"paused": true}'])
def test_true_is_paused(raw: str) -> None:
    assert pause.read_value(raw) == pause.Pause(Sentence("pause.no_reason"))


def test_json_says_why_who_and_since_when() -> None:
    found = pause.read_value('{"paused": true, "reason": "upgrade", "by": "jan", "since": "2026-01-31"}')
    assert str(found) == "upgrade (by jan) (since 2026-01-31)"
    assert found is not None
    assert Texts("nl").say(found.said) == "upgrade (door jan) (sinds 2026-01-31)"
    assert str(pause.read_value("true")) == "no reason given"


@pytest.mark.parametrize("raw", ["maybe", "{", "[]", "2", '{"paused": "yes"}', '{"pause": true}', '"true"'])
def test_what_cannot_be_understood_counts_as_paused_and_says_so(raw: str) -> None:
    found = pause.read_value(raw)
    assert found is not None
    assert "mend it" in str(found.reason)


def test_a_variable_that_cannot_be_read_counts_as_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(key: str) -> str:
        raise ConnectionError("no api")

    monkeypatch.setattr(pause, "_get", broken)
    with pytest.raises(CouplingPaused, match=r"could not be read \(ConnectionError\)"):
        pause.guard("moodle_demo")()


def test_a_variable_reported_absent_while_it_exists_counts_as_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pause, "_get", lambda key: None)
    monkeypatch.setattr(pause, "_exists", lambda key: True)
    found = pause.read_pause("moodle_demo")
    assert found is not None
    assert "could not be read" in str(found.reason)


def test_an_absent_variable_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pause, "_get", lambda key: None)
    monkeypatch.setattr(pause, "_exists", lambda key: False)
    pause.guard("moodle_demo")()
