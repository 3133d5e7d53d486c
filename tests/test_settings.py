"""The options of ``[moodle_coupling]``: one table, which Airflow's reference agrees with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from moodle_coupling import settings
from moodle_coupling.errors import SettingError
from moodle_coupling.provider_info import get_provider_info


def test_airflow_is_told_of_the_same_options_and_defaults() -> None:
    told = get_provider_info()["config"][settings.SECTION]["options"]  # type: ignore[index]
    assert {name: (option["default"], option["type"]) for name, option in told.items()} == {
        name: (str(option.default), "integer" if isinstance(option.default, int) else "string")
        for name, option in settings.OPTIONS.items()
    }


def test_a_number_is_what_the_configuration_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.number("file_rows") == 1_048_576
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__FILE_ROWS", " 500 ")
    assert settings.number("file_rows") == 500


@pytest.mark.parametrize("said", ["", "many", "-1", "0", "1.5", "1e6", "٣"])
def test_another_value_is_an_error_that_names_the_option(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__FILE_ROWS", said)
    with pytest.raises(SettingError, match=r"\[moodle_coupling\] file_rows .* must be a whole number of 1 or more"):
        settings.number("file_rows")


def test_every_option_has_a_meaning_and_a_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, option in settings.OPTIONS.items():
        assert len(option.meaning) > 20, name
        monkeypatch.delenv(f"AIRFLOW__MOODLE_COUPLING__{name}".upper(), raising=False)
        found = getattr(settings, name)()
        assert found == option.default or not option.default, name


def test_the_error_names_file_section_and_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__STAGING_DAYS", "soon")
    with pytest.raises(SettingError) as wrong:
        settings.staging_days()
    assert str(wrong.value) == (
        "[moodle_coupling] staging_days in Airflow's configuration is 'soon'; it must be a whole number of 1 or more. It stands in "
        "airflow.cfg or in the environment variable AIRFLOW__MOODLE_COUPLING__STAGING_DAYS."
    )


def test_no_other_module_reads_the_section() -> None:
    root = Path(__file__).resolve().parents[1]
    readers = re.compile(r"\bconf\.get\w*\(\s*(?!\"(?:core|metrics)\")")  # Airflow's own
    files = [path for top in ("plugins", "dags") for path in (root / top).rglob("*.py") if path.name != "settings.py"]
    assert [path.name for path in files if readers.search(path.read_text(encoding="utf-8"))] == []
