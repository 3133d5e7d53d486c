"""Checks a connection on behalf of a person: from the DAG and from the command line."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from moodle_coupling.errors import MoodleDenied
from moodle_coupling.hooks.moodle import MoodleHook
from moodle_coupling.hooks.moodle_check import check_site, explain, is_fit
from moodle_coupling.orchestration.remembering import the_ledger

if TYPE_CHECKING:
    from moodle_coupling.ledger.ledger import Ledger

log = logging.getLogger(__name__)


def check_connection(conn_id: str, environment: str = "", profile_fields: tuple[str, ...] = ()) -> dict[str, int]:
    """Log what a check finds and give the counts by level; raises MoodleDenied when the site is not fit for a run.

    A check that passes lifts the quarantine of ``environment`` ('' when no mapping file names the connection).
    """
    findings = check_site(MoodleHook(conn_id), profile_fields=profile_fields)
    text = explain(findings)
    if not is_fit(findings):
        msg = f"Connection '{conn_id}' is not fit for a run:\n{text}"
        raise MoodleDenied(msg)
    log.info("%s", text)
    if environment and lift_quarantine(the_ledger(), environment):
        log.info("The quarantine of '%s' is lifted.", environment)
    return dict(Counter(str(finding.level) for finding in findings))


def lift_quarantine(ledger: Ledger, environment: str) -> bool:
    """End an environment's quarantine after a check that passed; False when it was in none."""
    from moodle_coupling.ledger.quarantine import lift

    return lift(ledger, environment, by="a passing connection check")
