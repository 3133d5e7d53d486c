"""The DAG that looks after all environments: whether runs still end well, and whether everybody was told who is to be told."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING

from moodle_coupling.hooks.pause import read_pause
from moodle_coupling.mapping.file import remains
from moodle_coupling.mapping.folder import load_all
from moodle_coupling.orchestration import notices, outages
from moodle_coupling.orchestration.run import the_ledger

if TYPE_CHECKING:
    from pathlib import Path

    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.mapping import Mapping

log = logging.getLogger(__name__)


def watch(folder: Path, now: dt.datetime) -> int:
    """Look after the environments of all mapping files in ``folder``, and tell what is not told yet; gives how many there are.

    Raises LedgerUnavailable, LedgerSchemaError.
    """
    mappings, errors = load_all(folder)
    ledger = the_ledger()
    for error in errors:
        if error.path is not None:
            notices.tell(notices.wrong_file(error.path.stem, str(error)), remains(error.path).notify, ledger)
    away = outages.outages_of(ledger)
    for mapping in mappings:
        notices.tell_waiting(ledger, mapping.environment, mapping.notify)
        notices.tell_quarantine(ledger, mapping.environment, mapping.notify)
        notices.tell_failed(ledger, mapping.environment, mapping.notify, now)
        if mapping.environment in away:
            outages.tell_away(ledger, mapping.environment, away[mapping.environment], mapping.notify)
        tell_no_good_run(ledger, mapping, now)
    log.info("Looked after %d environments; %d mapping files are wrong.", len(mappings), len(errors))
    return len(mappings)


def tell_no_good_run(ledger: Ledger, mapping: Mapping, now: dt.datetime) -> None:
    """Tell that no run of an environment ended well for too long.

    Nothing is told of one that is paused, that runs by hand only, or that never ran: nothing is expected of it.
    """
    from moodle_coupling.ledger.runs import first_run, last_good_run

    hours, environment = mapping.notify.no_good_run_hours, mapping.environment
    if hours is None or not (mapping.schedule.provision or mapping.schedule.reconcile):
        return
    good = last_good_run(ledger, environment)
    first = first_run(ledger, environment) if good is None else None
    since = good.ended if good is not None else first.started if first is not None else None
    if since is None or now - since < dt.timedelta(hours=hours) or read_pause(mapping.connection) is not None:
        return
    notices.tell(notices.no_good_run(environment, good, since, hours), mapping.notify, ledger)
