"""Whether every worker of a run sees the same staging area: a mark in the run's folder, and the same mark in the ledger.

Without it a folder on one machine's disk shows itself as a file that is not there, or, where an earlier try ran on the other machine,
as an older file that is taken for the run's own.
"""

from __future__ import annotations

import socket
import uuid
from typing import TYPE_CHECKING

from moodle_coupling.contract.facts import StagingMark
from moodle_coupling.errors import SettingError
from moodle_coupling.ledger.shared_documents import held, look
from moodle_coupling.orchestration import staging
from moodle_coupling.settings import SECTION
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from moodle_coupling.orchestration.run import Run


def leave_mark(run: Run) -> None:
    """Mark the run's folder for the tasks that follow; each try of the first task leaves a mark of its own."""
    mark = StagingMark(token=uuid.uuid4().hex, host=socket.gethostname())
    staging.write_facts(run.folder, mark)
    with held(run.ledger, _key(run)) as (document, _now):
        document.update(mark.model_dump())


def check_mark(run: Run) -> None:
    """Refuse to go on where the first task's mark is not in the run's folder: SettingError, and trying again does not help.

    A run whose first task never began (a pause), or began before there were marks, is not refused.
    """
    told = look(run.ledger, _key(run))
    if "token" not in told:
        return
    found = staging.find_facts(run.folder, StagingMark)
    if found is None or found.token != told["token"]:
        said = {"folder": str(run.folder), "option": f"[{SECTION}] staging_url", "days": f"[{SECTION}] staging_days"}
        hosts = {"here": socket.gethostname(), "there": str(told.get("host", ""))}
        raise SettingError(Sentence("staging.not_shared", **said, **hosts))


def _key(run: Run) -> str:
    return f"staging {run.record.id}"
