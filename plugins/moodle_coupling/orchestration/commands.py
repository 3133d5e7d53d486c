"""Subcommands that need Airflow's own database: they run where Airflow's scheduler or API server runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import argparse

MAPPINGS: Final = Path("include/mappings")
DONE, WRONG = 0, 1


def add_airflow_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``check`` and ``setup``."""
    check = subparsers.add_parser(
        "check",
        help="check a Moodle connection and say what is missing",
        description="Checks the connection of an environment, as the button in Airflow's connection form does, and more.",
    )
    check.add_argument(
        "target",
        metavar="ENV|CONN",
        help="a mapping file, an environment in include/mappings, or an Airflow connection",
    )
    check.set_defaults(func=_check)
    setup = subparsers.add_parser(
        "setup",
        help="make what an environment needs in Airflow: its pool",
        description="Makes the pool of an environment, and says whether its connection is there.",
    )
    setup.add_argument("environment", metavar="ENV", help="a mapping file, or an environment in include/mappings")
    setup.add_argument("--slots", type=int, default=1, help="tasks that may talk to this Moodle at a time (default: 1)")
    setup.set_defaults(func=_setup)


def use_airflow_database() -> None:
    """Let Airflow's SDK read connections and variables as Airflow's own commands do, from its database."""
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")


def ledger_url() -> str:
    """Give ``[moodle_coupling] ledger_url``; by default a SQLite file below AIRFLOW_HOME."""
    from airflow.configuration import AIRFLOW_HOME
    from airflow.sdk import conf

    from moodle_coupling.ledger.address import default_url

    return conf.get("moodle_coupling", "ledger_url", fallback="") or default_url(AIRFLOW_HOME)


def _check(arguments: argparse.Namespace) -> int:
    from moodle_coupling.hooks.moodle import MoodleHook
    from moodle_coupling.hooks.moodle_check import check_site, explain, is_fit
    from moodle_coupling.orchestration.pause import guard

    use_airflow_database()
    connection, profile_fields = _connection_of(arguments.target)
    findings = check_site(MoodleHook(connection, guard=guard(connection)), profile_fields=profile_fields)
    print(explain(findings))
    return DONE if is_fit(findings) else WRONG


def _connection_of(target: str) -> tuple[str, tuple[str, ...]]:
    """Give the connection and the profile fields that are meant; without such a mapping the target is a connection."""
    from moodle_coupling.mapping_file import find_mapping, load_mapping

    if (MAPPINGS / f"{target}.yaml").is_file() or Path(target).suffix in {".yaml", ".yml"}:
        mapping = load_mapping(find_mapping(target, MAPPINGS))
        return mapping.connection, tuple(mapping.profile_fields)
    return target, ()


def _setup(arguments: argparse.Namespace) -> int:
    from airflow.models.connection import Connection
    from airflow.models.pool import Pool
    from airflow.sdk.exceptions import AirflowNotFoundException

    from moodle_coupling.mapping_file import find_mapping, load_mapping
    from moodle_coupling.orchestration.dags import pool_name

    use_airflow_database()
    mapping = load_mapping(find_mapping(arguments.environment, MAPPINGS))
    name = pool_name(mapping.environment)
    Pool.create_or_update_pool(
        name, arguments.slots, f"Tasks that talk to the Moodle '{mapping.environment}'", include_deferred=False
    )
    print(f"Pool {name} has {arguments.slots} slot{'s' if arguments.slots != 1 else ''}.")
    try:
        Connection.get_connection_from_secrets(mapping.connection)
    except AirflowNotFoundException:
        print(f"Connection '{mapping.connection}' is missing: add one of type Moodle under Admin > Connections.")
        return WRONG
    print(f"Connection {mapping.connection} is there; `moodle-coupling check {mapping.environment}` tries it.")
    return DONE
