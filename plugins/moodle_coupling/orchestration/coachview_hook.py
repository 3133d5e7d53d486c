"""The hook that Airflow makes for a Coachview connection, apart because it brings HTTP along, which reading a file does not need."""

from __future__ import annotations

from typing import Any

from moodle_coupling.hooks.coachview.hook import CoachviewHook
from moodle_coupling.orchestration.coachview_sharing import through_the_ledger


class SharedCoachviewHook(CoachviewHook):
    """The hook that Airflow makes for a connection of type coachview: it counts with all others."""

    def __init__(self, coachview_conn_id: str = CoachviewHook.default_conn_name, **options: Any) -> None:
        super().__init__(coachview_conn_id, sharing=through_the_ledger(), **options)
