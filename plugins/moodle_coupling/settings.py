"""The options of ``[moodle_coupling]`` in Airflow's configuration: one reader each.

Their defaults and what they mean stand in ``provider_info``, which Airflow reads before it can import anything of ours, and
are taken from there. A new option is a row there and a reader here; tests/test_settings.py tells what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from moodle_coupling.errors import SettingError
from moodle_coupling.provider_info import get_provider_info
from moodle_coupling.words.sentence import Sentence, Texts, language_codes

SECTION: Final = "moodle_coupling"
_MAPPINGS: Final = Path("include/mappings")
_PROJECT: Final = Path(__file__).resolve().parents[2]
"""Where ``plugins``, ``dags`` and ``include`` stand side by side, when the plugin is not installed as a package."""


class ViewersSee(StrEnum):
    """What is shown of persons to those who may read and not decide."""

    NAMES = "names"
    NUMBERS = "numbers"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Option:
    """One option. ``default`` says its kind too: a text or a whole number; ``least`` is the smallest number that makes sense."""

    name: str
    default: str | int
    meaning: str
    least: int = 1


def _options() -> dict[str, Option]:
    least = {"file_cell_characters": 100}
    config: Any = get_provider_info()["config"]
    return {
        name: Option(
            name,
            int(told["default"]) if told["type"] == "integer" else told["default"],
            told["description"],
            least.get(name, 1),
        )
        for name, told in config[SECTION]["options"].items()
    }


OPTIONS: Final = _options()


def staging_url() -> str:
    """Give where the frames stand that the steps of a run hand to each other, as an ObjectStoragePath takes it."""
    from moodle_coupling.airflow_internals import airflow_home

    return _text("staging_url") or f"file://{airflow_home()}/moodle_coupling/staging"


def staging_days() -> int:
    """Give for how many days the frames of a run are kept."""
    return number("staging_days")


def ledger_url() -> str:
    """Give the ledger's address; by default a SQLite file below AIRFLOW_HOME."""
    from moodle_coupling.airflow_internals import airflow_home

    return _text("ledger_url") or default_ledger_url(airflow_home())


def default_ledger_url(airflow_home: str | Path) -> str:
    """Give the ledger's address when nobody chose one: a SQLite file below AIRFLOW_HOME."""
    return f"sqlite:///{Path(airflow_home).resolve() / 'moodle_coupling' / 'ledger.db'}"


def ledger_days() -> int:
    """Give for how many days outcomes are kept in the ledger."""
    return number("ledger_days")


def pause_look_seconds() -> int:
    """Give after how many seconds a task that waits for a pause to end looks again."""
    return number("pause_look_seconds")


def viewers_see() -> ViewersSee:
    """Give what those who may read and not decide see of persons; a word that there is not counts as the strictest."""
    said = _text("viewers_see").lower()
    return ViewersSee(said) if said in set(ViewersSee) else ViewersSee.NOTHING


def language() -> str:
    """Give the language of what is written without knowing who reads it; one that we have no words in counts as English."""
    said = _text("language").lower()
    return said if said in language_codes() else "en"


def texts() -> Texts:
    """Give the texts of mails, of a run's summary, of an approval and of the command line."""
    return Texts(language())


def notifiers() -> str:
    """Give the notifiers that are told of every environment, as JSON (orchestration.channels reads it); '' for none."""
    return _text("notifiers")


def airflow_url() -> str:
    """Give Airflow's own address, without a slash at its end; as Airflow itself makes its links to logs."""
    from airflow.sdk import conf

    return str(conf.get("api", "base_url", fallback="") or "http://localhost:8080").rstrip("/")


def mappings_folder() -> Path:
    """Give the folder of the mapping files, absolute: the same for DAGs, pages and commands, wherever they are started.

    It is ``[moodle_coupling] mappings_folder``; without it include/mappings beside Airflow's dags folder, or, where there
    is none, beside the plugins folder that this file stands in.
    """
    from airflow.sdk import conf

    said = _text("mappings_folder")
    beside_dags = Path(conf.get("core", "dags_folder", fallback="dags")).expanduser().absolute().parent / _MAPPINGS
    if said:
        return Path(said).expanduser().absolute()
    return beside_dags if beside_dags.is_dir() or not (_PROJECT / _MAPPINGS).is_dir() else _PROJECT / _MAPPINGS


def file_megabytes() -> int:
    """Give how many megabytes a file of persons may have."""
    return number("file_megabytes")


def file_unpacked_megabytes() -> int:
    """Give how many megabytes an XLSX or Parquet file of persons may unpack to."""
    return number("file_unpacked_megabytes")


def file_rows() -> int:
    """Give how many rows a file of persons may have."""
    return number("file_rows")


def file_columns() -> int:
    """Give how many columns a file of persons may have."""
    return number("file_columns")


def file_cell_characters() -> int:
    """Give how many characters a cell of a file of persons may have."""
    return number("file_cell_characters")


def number(name: str) -> int:
    """Return an option that is a whole number.

    Raises:
        SettingError: Airflow's configuration holds something else, or a number that is too small; it says which file, section and key.

    """
    option, said = OPTIONS[name], _text(name)
    if not said.isascii() or not said.isdigit() or int(said[:18]) < option.least:
        variable = f"AIRFLOW__{SECTION}__{name}".upper()
        raise SettingError(
            Sentence(
                "settings.not_a_number",
                section=SECTION,
                name=name,
                said=said[:40],
                least=option.least,
                variable=variable,
            )
        )
    return int(said[:18])


def _text(name: str) -> str:
    from airflow.sdk import conf

    return str(conf.get(SECTION, name, fallback=str(OPTIONS[name].default))).strip()
