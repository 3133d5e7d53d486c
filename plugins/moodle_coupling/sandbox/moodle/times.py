"""How long a real Moodle takes: service times for demos and benchmarks (2 cores, MariaDB, opcache; medians)."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from moodle_coupling.sandbox.moodle.collation import MARIADB, POSTGRESQL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moodle_coupling.sandbox.moodle.context import Work

# Seconds, as measured on Moodle 5.1: a call, an account, a profile field, a password and a row of a custom report.
# Those of the address check and of a search are of 40,000 accounts on a busy machine, 4.5 on MariaDB and 5.1 on PostgreSQL.
PER_ROW_CHECKED = {MARIADB: 1.0e-6, POSTGRESQL: 0.48e-6}
PER_ROW_SEARCHED = 1.0e-6
PER_CALL, PER_ACCOUNT, PER_PROFILE_FIELD, PER_PASSWORD, PER_REPORT_ROW = 0.013, 0.003, 0.0008, 0.009, 0.0003
AT_ONCE = 2


def service_seconds(work: Work, database: str = MARIADB) -> float:
    """Return how many seconds a real Moodle on that database takes for this much work."""
    return (
        PER_CALL
        + work.accounts * PER_ACCOUNT
        + work.profile_fields * PER_PROFILE_FIELD
        + work.passwords * PER_PASSWORD
        + work.report_rows * PER_REPORT_ROW
        + work.rows_checked * PER_ROW_CHECKED[database]
        + work.rows_searched * PER_ROW_SEARCHED
    )


class ServiceTimes:
    """Lets only so many calls work at once, each as long as on a real site."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._places = threading.BoundedSemaphore(at_once)

    @contextmanager
    def lasting(self, work: Work, database: str) -> Iterator[None]:
        """Keep a place while the block runs and for the rest of the time its work takes."""
        with self._places:
            started = time.monotonic()
            yield
            time.sleep(max(0.0, service_seconds(work, database) - (time.monotonic() - started)))
