"""Steps of a task that a later try of it need not do again, because what they gave stands in the run's folder."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING

from moodle_coupling.contract.facts import StepDone, StepsDone
from moodle_coupling.orchestration import staging

if TYPE_CHECKING:
    from collections.abc import Callable

    from moodle_coupling.orchestration.run import Run

log = logging.getLogger(__name__)


def once(run: Run, step: Callable[[Run], dict[str, int]], *, lasts: dt.timedelta | None = None) -> dict[str, int]:
    """Do a step, unless an earlier try of this task came to its end, no longer than ``lasts`` ago; gives what it counted.

    Tries that follow each other by themselves (after an error, a killed worker, a wait) are one series. Who clears a task begins
    another: something was mended, or shall be read anew, so everything is done again. Only for a step whose every result
    stands in the run's folder.
    """
    name, now = step.__name__, dt.datetime.now(dt.UTC)
    told = staging.find_facts(run.folder, StepsDone)
    steps = told.steps if told else {}
    done = steps.get(name)
    if done is not None and done.series == run.series and (lasts is None or now - done.at < lasts):
        log.info("Step '%s' came to its end in an earlier try, at %s UTC; that counts.", name, f"{done.at:%H:%M:%S}")
        return done.counts
    counts = step(run)
    finished = StepDone(series=run.series, at=dt.datetime.now(dt.UTC), counts=counts)
    staging.write_facts(run.folder, StepsDone(steps={**steps, name: finished}))
    return counts
