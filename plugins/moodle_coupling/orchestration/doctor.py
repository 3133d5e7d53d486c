"""Whether an installation is fit for its runs: each check says what it found, and how to mend what is wrong.

Nothing is asked of a Moodle or a source: that is ``moodle-coupling check ENV``.
"""

from __future__ import annotations

import datetime as dt
import os
import uuid
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling import airflow_internals, settings
from moodle_coupling.errors import CouplingError
from moodle_coupling.hooks.moodle.check import Finding, Level
from moodle_coupling.orchestration.names import pool_name, provision_id, reconcile_id
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.mapping import Mapping

PLUGIN: Final = "moodle_coupling"
MOST_SLOTS: Final = 4
"""More tasks at a time than this on one Moodle gain nothing: each of them has its own parallel requests."""
CLOCK_DRIFTS: Final = dt.timedelta(seconds=5)
CLOCK_WRONG: Final = dt.timedelta(minutes=1)
"""A lease is for ten minutes and renewed after a quarter of that; Airflow's own tokens are refused after ten seconds or so."""
_STATSD: Final = "StatsD"
_COLLECTORS: Final = (
    ("statsd_datadog_enabled", "Datadog", "datadog"),
    ("statsd_on", _STATSD, "statsd"),
    ("otel_on", "OpenTelemetry", "opentelemetry"),
)
_ENDED: Final = frozenset({"success", "failed"})
_TIME: Final = "%Y-%m-%d %H:%M UTC"


def examine(folder: Path) -> list[Finding]:
    """Check the installation whose mapping files stand in ``folder``; whatever is wrong is a finding.

    Runs where Airflow's scheduler or API server runs. Raises what Airflow's database raises when that does not answer.
    """
    ledger, findings = _ledger()
    mappings, wrong = _mappings(folder)
    checks: list[Callable[[], Iterable[Finding]]] = [
        lambda: findings,
        _plugin,
        lambda: _folders(folder),
        lambda: wrong,
        lambda: _dags(mappings),
        lambda: _pools(mappings),
        lambda: _connections(mappings),
        lambda: _clocks(ledger),
        lambda: _leases(ledger) if ledger else (),
        _parts_of_airflow,
        _figures,
        lambda: _notifiers(mappings),
        _test_button,
    ]
    return [finding for check in checks for finding in check()]


def _ok(code: str, **parameters: Any) -> Finding:
    return Finding(Level.OK, code, Sentence(f"doctor.{code}", **parameters))


def _bad(code: str, *, mend: Sentence | None = None, level: Level = Level.ERROR, **parameters: Any) -> Finding:
    """Give a finding; how to mend it is said by ``doctor.<code>.mend`` with the same parameters, unless ``mend`` is given."""
    said = Sentence(f"doctor.{code}", **parameters)
    return Finding(level, code, said, mend or Sentence(f"doctor.{code}.mend", **parameters))


# ---- what is ours ----------------------------------------------------------------------------------------------------


def _ledger() -> tuple[Ledger | None, list[Finding]]:
    from moodle_coupling.ledger.schema import head
    from moodle_coupling.orchestration.run import the_ledger

    try:
        ledger = the_ledger()
    except CouplingError as error:
        return None, [_bad("ledger_wrong", error=error.said)]
    return ledger, [_ok("ledger", place=ledger.place, revision=head())]


def _plugin() -> Iterator[Finding]:
    from airflow.plugins_manager import get_import_errors, get_plugin_info

    times = [info["name"] for info in get_plugin_info(["source"])].count(PLUGIN)
    refused = {place: why for place, why in get_import_errors().items() if PLUGIN in f"{place} {why}"}
    if refused:
        place, why = next(iter(refused.items()))
        yield _bad("plugin_refused", place=place, why=str(why))
    elif times != 1:
        yield _bad("plugin_missing")
    else:
        yield _ok("plugin")
    providers = {
        str(point.dist.locate_file("")) if point.dist else point.value
        for point in entry_points(group="apache_airflow_provider")
        if point.value.partition(".")[0] == PLUGIN
    }
    if not providers:
        yield _bad("provider_missing")
    elif len(providers) > 1:
        yield _bad("provider_twice", places=sorted(providers))


def _folders(folder: Path) -> Iterator[Finding]:
    if folder.is_dir() and os.access(folder, os.R_OK | os.X_OK):
        yield _ok("mappings_folder", folder=str(folder))
    else:
        yield _bad("mappings_folder_missing", folder=str(folder))
    url, problem = settings.staging_url(), _unwritable()
    yield _ok("staging", url=url) if problem is None else _bad("staging_unwritable", url=url, why=problem)
    file = _ledger_file()
    if file is not None and file.exists() and not (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)):
        yield _bad("ledger_unwritable", file=str(file))


def _unwritable() -> str | Sentence | None:
    """Write a file to the staging area and take it away again; gives why that did not work."""
    from moodle_coupling.orchestration.staging import made, staging_root

    try:
        root = staging_root()
        probe = made(root) / f".doctor-{uuid.uuid4().hex}"
        probe.write_bytes(b"")
        probe.unlink()
    except CouplingError as error:
        return error.said
    except Exception as error:  # noqa: BLE001 - each object storage has errors of its own
        return f"{type(error).__name__}: {getattr(error, 'strerror', None) or str(error)[:200]}"
    return None


def _ledger_file() -> Path | None:
    from moodle_coupling.ledger.schema import read_address, sqlite_path

    try:
        return sqlite_path(read_address(settings.ledger_url()))
    except CouplingError:
        return None


def _mappings(folder: Path) -> tuple[list[Mapping], list[Finding]]:
    from moodle_coupling.mapping.folder import load_all

    mappings, errors = load_all(folder)
    if errors and folder.is_dir():
        return mappings, [_bad("mappings_wrong", n=len(errors), error=errors[0].said)]
    return mappings, [_ok("mappings", n=len(mappings))] if folder.is_dir() else []


def _leases(ledger: Ledger) -> Iterator[Finding]:
    from moodle_coupling.ledger.leases import LONGEST, holders

    now, found = holders(ledger)
    for busy in found:
        facts: dict[str, Any] = {
            "environment": busy.environment,
            "run": busy.holder,
            "until": f"{busy.expires:{_TIME}}",
        }
        if busy.expires > now + LONGEST:
            yield _bad("lease_ahead", level=Level.WARNING, **facts)
        elif busy.expires <= now:
            yield _bad("lease_left", level=Level.WARNING, **facts)
        elif _has_ended(busy.holder):
            yield _bad("lease_of_ended", level=Level.WARNING, **facts)
    if not found:
        yield _ok("leases")


def _has_ended(holder: str) -> bool:
    dag_id, _, run_id = holder.partition(" ")
    facts = airflow_internals.facts_of_run(dag_id, run_id)
    return facts is not None and facts[0] in _ENDED


# ---- what is Airflow's -----------------------------------------------------------------------------------------------


def _dags(mappings: list[Mapping]) -> Iterator[Finding]:
    wanted = {
        id_: one.environment
        for one in mappings
        for id_ in (provision_id(one.environment), reconcile_id(one.environment))
    }
    missing = sorted({wanted[id_] for id_ in wanted.keys() - airflow_internals.known_dags(list(wanted)).keys()})
    if missing:
        yield _bad("dags_missing", environments=missing)
    elif mappings:
        yield _ok("dags", n=len(wanted))


def _pools(mappings: list[Mapping]) -> Iterator[Finding]:
    there = airflow_internals.pools()
    good = 0
    for one in mappings:
        name = pool_name(one.environment)
        slots = there.get(name)
        facts: dict[str, Any] = {"pool": name, "environment": one.environment}
        if slots is None:
            yield _bad("pool_missing", **facts)
        elif slots == 0:
            yield _bad("pool_closed", **facts)
        elif slots < 0:
            yield _bad("pool_unlimited", level=Level.WARNING, **facts)
        elif slots > MOST_SLOTS:
            yield _bad("pool_wide", level=Level.WARNING, n=slots, most=MOST_SLOTS, **facts)
        else:
            good += 1
    if good:
        yield _ok("pools", n=good)


def _connections(mappings: list[Mapping]) -> Iterator[Finding]:
    good = 0
    for one in mappings:
        for problem in _connection_problems(one):
            yield problem
            break
        else:
            good += 1
    if good:
        yield _ok("connections", n=good)


def _connection_problems(mapping: Mapping) -> Iterator[Finding]:
    """Find what is wrong with the connections that a mapping names; each is read, none is used."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    from moodle_coupling.hooks.moodle.hook import MoodleHook
    from moodle_coupling.sources.kinds import kind_of

    named = {mapping.connection: "moodle"}
    for source in mapping.sources:
        if conn_id := str(getattr(source, "connection", "") or ""):
            named[conn_id] = kind_of(source).connection_type
    for conn_id, wanted in named.items():
        facts: dict[str, Any] = {"connection": conn_id, "environment": mapping.environment}
        try:
            found = str(BaseHook.get_connection(conn_id).conn_type)
            if wanted and found != wanted:
                yield _bad("connection_type", type=found, wanted=wanted, **facts)
            elif conn_id == mapping.connection:
                _ = MoodleHook(conn_id, guard=_no_guard).settings
        except AirflowNotFoundException:
            yield _bad("connection_missing", **facts)
        except CouplingError as error:
            yield _bad("connection_wrong", error=error.said, **facts)


def _no_guard() -> None:
    """Nothing is sent, so no pause is looked at."""


def _clocks(ledger: Ledger | None) -> Iterator[Finding]:
    """Compare this machine's clock with that of each database that has one of its own."""
    clocks: list[tuple[Sentence, dt.timedelta]] = []
    if (airflows := airflow_internals.database_now()) is not None:
        clocks.append((Sentence("doctor.airflow_database"), airflows - dt.datetime.now(dt.UTC)))
    if ledger is not None:
        with ledger.reading() as connection:
            clocks.append((Sentence("doctor.the_ledger"), ledger.now(connection) - dt.datetime.now(dt.UTC)))
    off = [(place, apart) for place, apart in clocks if abs(apart) > CLOCK_DRIFTS]
    for place, apart in off:
        level = Level.ERROR if abs(apart) > CLOCK_WRONG else Level.WARNING
        behind = apart > dt.timedelta()
        code = "clock_behind" if behind else "clock_ahead"
        yield _bad(
            code, mend=Sentence("doctor.clock.mend"), level=level, n=round(abs(apart).total_seconds()), place=place
        )
    if not off:
        yield _ok("clock")


def _parts_of_airflow() -> Iterator[Finding]:
    health = airflow_internals.health()
    for part, level in (("scheduler", Level.ERROR), ("dag_processor", Level.ERROR), ("triggerer", Level.WARNING)):
        code = f"{part}_away"
        yield _ok("alive", part=part) if health[part] == "healthy" else _bad(code, level=level)


def _figures() -> Iterator[Finding]:
    """Look at ``[metrics]``: where figures go, whether the package for it is there, and whether they have tags."""
    from airflow.sdk import conf

    for option, to, package in _COLLECTORS:
        if not conf.getboolean("metrics", option, fallback=False):
            continue
        if find_spec(package) is None:
            yield _bad("figures_no_client", to=to, package=package)
        elif to == _STATSD and not conf.getboolean("metrics", "statsd_influxdb_enabled", fallback=False):
            yield _bad("figures_untagged", level=Level.WARNING)
        else:
            yield _ok("figures", to=to)
        return  # Airflow uses the first of them
    yield _ok("figures_off")


def _notifiers(mappings: list[Mapping]) -> Iterator[Finding]:
    """Look whether everybody who is to be told can be: the option can be read, and each notifier can be made."""
    from moodle_coupling.orchestration import notices
    from moodle_coupling.orchestration.notices import Event

    try:
        found = notices.configured(Event)
        for one in (*found, *(each for mapping in mappings for each in notices.mail(mapping.notify)[:1])):
            one.made()
    except CouplingError as error:
        yield _bad("notifiers_wrong", error=error.said)
    else:
        silent = sorted(one.environment for one in mappings if not one.notify.to)
        if silent and not found:
            yield _bad("notifiers_none", level=Level.WARNING, environments=silent)
        else:
            yield _ok("notifiers", n=len(found))


def _test_button() -> Iterator[Finding]:
    from airflow.sdk import conf

    said = str(conf.get("core", "test_connection", fallback="Disabled")).strip().lower()
    yield _ok("test_button") if said == "enabled" else _bad("test_button_off", level=Level.WARNING, said=said)
