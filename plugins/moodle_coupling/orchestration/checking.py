"""Checks a connection on behalf of a person: from the DAG and from the command line."""

from __future__ import annotations

import logging
from collections import Counter

from moodle_coupling.errors import MoodleDenied
from moodle_coupling.hooks.moodle import MoodleHook
from moodle_coupling.hooks.moodle_check import check_site, explain, is_fit

log = logging.getLogger(__name__)


def check_connection(conn_id: str, profile_fields: tuple[str, ...] = ()) -> dict[str, int]:
    """Log what a check finds and give the counts by level; raises MoodleDenied when the site is not fit for a run."""
    findings = check_site(MoodleHook(conn_id), profile_fields=profile_fields)
    text = explain(findings)
    if not is_fit(findings):
        msg = f"Connection '{conn_id}' is not fit for a run:\n{text}"
        raise MoodleDenied(msg)
    log.info("%s", text)
    return dict(Counter(str(finding.level) for finding in findings))
