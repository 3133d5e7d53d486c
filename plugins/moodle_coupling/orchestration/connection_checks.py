"""Checks connections on behalf of a person: from the DAG, the page and the command line."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from moodle_coupling.errors import CouplingError, MoodleDenied
from moodle_coupling.hooks.moodle.check import Finding, Wants, check_site, create_cost, is_fit, lines_of
from moodle_coupling.hooks.moodle.hook import MoodleHook
from moodle_coupling.matching.changes import compared_fields
from moodle_coupling.orchestration.access import wants as access_wants
from moodle_coupling.orchestration.coachview_sharing import through_the_ledger
from moodle_coupling.orchestration.run import the_ledger, with_defaults
from moodle_coupling.provisioning.snapshot.visibility import Visibility
from moodle_coupling.sources.kinds import checked_connections, kinds
from moodle_coupling.words.sentence import Sentence, in_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moodle_coupling.hooks.moodle.probes import Value
    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.mapping import Mapping

ENOUGH: Final = 20
"""Accounts that a run must have created for what each took to be worth saying: of a few the call itself is the most."""

log = logging.getLogger(__name__)

KNOWN_IDS: Final = 300
"""Accounts that the coupling wrote to, the youngest, among which a field is looked for: one call."""


@dataclass(frozen=True)
class Checked:
    """What a check found: of the Moodle, and of the connections that its persons come from, by id."""

    moodle: list[Finding] = field(default_factory=list)
    sources: dict[str, list[Finding]] = field(default_factory=dict)
    connection: str = ""

    @property
    def findings(self) -> list[Finding]:
        """All of them; each begins with its connection, but for a Moodle (``connection``) that was checked alone."""
        if not self.sources:
            return self.moodle
        by_name = [(self.connection, self.moodle), *self.sources.items()]
        return [one.on(conn_id) for conn_id, found in by_name for one in found]

    @property
    def is_fit(self) -> bool:
        """Whether a run can be right."""
        return is_fit(self.findings)


def visibility_of(mapping: Mapping, ledger: Ledger | None, *, own_id: int | None) -> Visibility:
    """Give what must be proved visible for a plan of this mapping, and where it is looked for."""
    return Visibility(compared_fields(mapping), own_id, known_ids(ledger, mapping.environment))


def known_ids(ledger: Ledger | None, environment: str) -> tuple[int, ...]:
    """Give the youngest accounts that this coupling made or linked; none without a ledger."""
    if ledger is None:
        return ()
    from moodle_coupling.ledger.accounts import links_frame

    return tuple(int(id_) for id_ in links_frame(ledger, environment)["account_id"].nlargest(KNOWN_IDS))


def _ledger_if_there() -> Ledger | None:
    """Give the ledger; None before it is made, or while it is away: a connection can be checked all the same."""
    try:
        return the_ledger()
    except CouplingError:
        return None


def wants_of(mapping: Mapping, ledger: Ledger | None) -> Wants:
    """Give what a mapping asks of its Moodle."""
    return Wants(
        profile_fields={name: str(one.type or "") for name, one in mapping.profile_fields.items()},
        compared=compared_fields(mapping),
        known_ids=known_ids(ledger, mapping.environment),
        values=dict(_fixed_values(mapping)),
        with_password=mapping.password != "none",  # noqa: S105 - the setting's name, no password
        access=access_wants(mapping, ledger),
    )


def _fixed_values(mapping: Mapping) -> Iterator[tuple[Value, Sentence | str]]:
    """Give the values that stand in the mapping file itself, and where."""
    if "auth" not in mapping.fields:
        yield ("auth", "manual"), Sentence("check.no_auth")
    for name, setting in mapping.fields.items():
        for key, text in (("value", setting.value), ("default", setting.default)):
            if text:
                yield (str(name), text), f"fields.{name}.{key}"


def check_environment(mapping: Mapping) -> Checked:
    """Check the Moodle of a mapping, and the connections its persons come from, for what the mapping asks of them.

    Raises CouplingPaused while the environment is paused, SettingError when the Moodle's connection is wrong.
    """
    ledger = _ledger_if_there()
    with MoodleHook(mapping.connection) as hook:
        wants = wants_of(with_defaults(mapping, hook.settings), ledger)
        moodle = [*check_site(hook, wants), *_measured(mapping.environment, wants, ledger)]
    sources: dict[str, list[Finding]] = {}
    for connection, kind, settings in checked_connections(mapping):
        sources.setdefault(connection, []).extend(kind.check(settings, through_the_ledger()))
    return Checked(moodle, sources, mapping.connection)


def _measured(environment: str, wants: Wants, ledger: Ledger | None) -> Iterator[Finding]:
    """Say what creating accounts took in the latest run that created enough of them to tell; no call is made for it."""
    if ledger is None:
        return
    from moodle_coupling.contract.facts import RunCounts
    from moodle_coupling.ledger.runs import latest_runs

    costs = (RunCounts(dict(run.counts)).create_cost for run in latest_runs(ledger, environment))
    latest = next((cost for cost in costs if cost is not None and cost[0] >= ENOUGH), None)
    if latest is not None:
        yield create_cost(*latest, wants)


def check_one(conn_id: str) -> Checked:
    """Check a connection for which there is no mapping, by its type. Raises CouplingPaused and SettingError."""
    type_ = _type_of(conn_id)
    if kind := next((kind for kind in kinds().values() if type_ and kind.connection_type == type_), None):
        return Checked(sources={conn_id: kind.check_connection(conn_id, through_the_ledger())})
    with MoodleHook(conn_id) as hook:
        return Checked(check_site(hook))


def check_connection(conn_id: str, mapping: Mapping | None = None) -> dict[str, int]:
    """Log what a check finds and give the counts by level; raises MoodleDenied when a run cannot be right.

    With the ``mapping`` that names the connection, its sources are checked along, and a Moodle that is fit ends the
    environment's quarantine.
    """
    checked = check_environment(mapping) if mapping is not None else check_one(conn_id)
    if mapping is not None and is_fit(checked.moodle) and lift_quarantine(the_ledger(), mapping.environment):
        log.info("The quarantine of '%s' is lifted.", mapping.environment)
    found = lines_of(checked.findings)
    if not checked.is_fit:
        raise MoodleDenied(in_lines([Sentence("check.unfit.connection", connection=conn_id), *found]))
    log.info("%s", in_lines(found))
    return dict(Counter(str(finding.level) for finding in checked.findings))


def lift_quarantine(ledger: Ledger, environment: str) -> bool:
    """End an environment's quarantine after a check that passed; False when it was in none."""
    from moodle_coupling.ledger.leases import lift

    return lift(ledger, environment, by="a passing connection check")


def _type_of(conn_id: str) -> str:
    """Give a connection's type, '' where there is no such connection: its hook says so."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return str(BaseHook.get_connection(conn_id).conn_type)
    except AirflowNotFoundException:
        return ""
