"""Every option of ``[moodle_coupling]`` in Airflow's configuration, once: its name, default and kind.

``provider_info`` describes the same options for Airflow's own reference; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from moodle_coupling.errors import SettingError

SECTION: Final = "moodle_coupling"
_MAPPINGS: Final = Path("include/mappings")
_PROJECT: Final = Path(__file__).resolve().parents[2]
"""Where ``plugins``, ``dags`` and ``include`` stand side by side, when the plugin is not installed as a package."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option. ``default`` says its kind too: a text or a whole number; ``least`` is the smallest number that makes sense."""

    name: str
    default: str | int
    least: int = 0


OPTIONS: Final = {
    option.name: option
    for option in (
        Option("staging_url", ""),
        Option("mappings_folder", ""),
        Option("ledger_url", ""),
        Option("ledger_days", 730, 1),
        Option("staging_days", 14, 1),
        Option("viewers_see", "numbers"),
        Option("pause_look_seconds", 60, 1),
        Option("file_megabytes", 256, 1),
        Option("file_unpacked_megabytes", 1024, 1),
        Option("file_rows", 1_048_576, 1),
        Option("file_columns", 16_384, 1),
        Option("file_cell_characters", 131_072, 100),
    )
}


def number(name: str) -> int:
    """Return an option that is a whole number.

    Raises:
        SettingError: Airflow's configuration holds something else, or a number that is too small.

    """
    from airflow.sdk import conf

    option = OPTIONS[name]
    said = str(conf.get(SECTION, name, fallback=str(option.default))).strip()
    if not said.isascii() or not said.isdigit() or int(said[:18]) < option.least:
        msg = f"[{SECTION}] {name} in Airflow's configuration is '{said[:40]}'; it must be a whole number of {option.least} or more."
        raise SettingError(msg)
    return int(said[:18])


def mappings_folder() -> Path:
    """Give the folder of the mapping files, absolute: the same for DAGs, pages and commands, wherever they are started.

    It is ``[moodle_coupling] mappings_folder``; without it include/mappings beside Airflow's dags folder, or, where there
    is none, beside the plugins folder that this file stands in.
    """
    from airflow.sdk import conf

    said = conf.get(SECTION, "mappings_folder", fallback=str(OPTIONS["mappings_folder"].default))
    beside_dags = Path(conf.get("core", "dags_folder", fallback="dags")).expanduser().absolute().parent / _MAPPINGS
    if said:
        return Path(said).expanduser().absolute()
    return beside_dags if beside_dags.is_dir() or not (_PROJECT / _MAPPINGS).is_dir() else _PROJECT / _MAPPINGS
