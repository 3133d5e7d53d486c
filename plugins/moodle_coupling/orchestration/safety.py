"""What stands between a plan and its load: safeguards, approval, quarantine."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING

from moodle_coupling import settings
from moodle_coupling.contract.facts import Question, RunCounts, Stopped
from moodle_coupling.errors import CouplingError, NotApproved, Quarantined, TooManyFailures
from moodle_coupling.ledger import approvals, leases
from moodle_coupling.ledger.accounts import links_frame
from moodle_coupling.ledger.cells import plan_digest
from moodle_coupling.ledger.runs import ever_loaded, latest_runs
from moodle_coupling.ledger.words import ApprovalAnswer, RunState
from moodle_coupling.matching.safeguards import Facts, Tripped, approval_body, evaluate
from moodle_coupling.orchestration import access, staging
from moodle_coupling.orchestration.notices import tell_quarantine
from moodle_coupling.words.sentence import Sentence, as_sentence, in_turn

if TYPE_CHECKING:
    import pandas as pd

    from moodle_coupling.ledger.ledger import Ledger
    from moodle_coupling.mapping import Mapping
    from moodle_coupling.orchestration.run import Run

log = logging.getLogger(__name__)


def mind_quarantine(run: Run) -> None:
    """Keep scheduled runs away from an environment in quarantine; a run that a person started lifts it."""
    found = leases.in_quarantine(run.ledger, run.mapping.environment)
    if found is None:
        return
    if not run.scheduled:
        leases.lift(run.ledger, run.mapping.environment, by=run.started_by)
        log.info("Quarantine lifted: this run was started by hand (%s)", run.started_by)
    elif dt.datetime.now(dt.UTC) < found.until:
        until, why = f"{found.until:%Y-%m-%d %H:%M}", as_sentence(found.reason)
        raise Quarantined(Sentence("run.quarantined", environment=run.mapping.environment, until=until, why=why))


def mind_failures(run: Run, stopped: CouplingError) -> None:
    """Put the environment into quarantine when a load stopped itself because too much of it failed."""
    if not isinstance(stopped, TooManyFailures):
        return
    staging.write_facts(run.folder, Stopped(reason=stopped.said.written()))
    environment = run.mapping.environment
    leases.impose(run.ledger, environment, stopped.said.written())
    tell_quarantine(run.ledger, environment, run.mapping.notify)


def why_stopped(run: Run) -> str:
    """Give why the run's load stopped itself, as a sentence is written; '' when it did not."""
    found = staging.find_facts(run.folder, Stopped)
    return found.reason if found else ""


def weigh(run: Run, plan: pd.DataFrame, in_scope: int) -> tuple[Tripped, ...]:
    """Evaluate the safeguards on the plan, and on that of access; what tripped is put as a question into the run's folder."""
    environment = run.mapping.environment
    facts = Facts(
        links=len(links_frame(run.ledger, environment)),
        persons_now=in_scope,
        persons_before=None if run.partial else persons_before(run.ledger, environment),
        ever_loaded=ever_loaded(run.ledger, environment),
    )
    tripped = evaluate(plan, facts, run.mapping.safeguards)
    of_access, access_body = access.weigh(run)
    staging.drop_facts(run.folder, Question)
    if tripped or of_access:
        body = approval_body(plan, tripped, settings.texts(), named=False)
        tripped = (*tripped, *of_access)
        question = Question(
            digest=access.whole_digest(run, plan_digest(plan)),
            reasons=tuple(one.said.written() for one in tripped),
            body=f"{body}\n{access_body}" if access_body else body,
        )
        staging.write_facts(run.folder, question)
        for one in tripped:
            log.warning("Safeguard %s: %s", one.code, one.said)
    return tripped


def refuse_unapproved(run: Run, digest: str) -> None:
    """Refuse to load a plan that somebody rejected, or for which a safeguard has tripped and that nobody approved.

    ``digest`` names the plan of accounts; what is approved is that and the plan of access together.
    """
    digest = access.whole_digest(run, digest)
    said = approvals.asked_about(run.ledger, run.record.id, digest)
    if said is not None and said.decision is ApprovalAnswer.REJECTED:
        raise NotApproved(Sentence("run.was_rejected", run=run.holder, by=said.decided_by))
    question = staging.find_facts(run.folder, Question)
    if question is None:
        return
    if question.digest != digest or said is None or said.decision is not ApprovalAnswer.APPROVED:
        why = in_turn(map(as_sentence, question.reasons))
        raise NotApproved(Sentence("run.not_approved", run=run.holder, why=why))


def persons_before(ledger: Ledger, environment: str) -> int | None:
    """Persons in scope at the last run for everyone that came to its end."""
    for record in latest_runs(ledger, environment, limit=200):
        in_scope = RunCounts(dict(record.counts)).in_scope
        if record.state == RunState.DONE and in_scope is not None:
            return in_scope
    return None


def foresee(ledger: Ledger, mapping: Mapping, plan: pd.DataFrame) -> tuple[Tripped, ...]:
    """Give the limits of which a plan for some persons would go beyond, by what the ledger knows now; of the source nothing is asked."""
    links = len(links_frame(ledger, mapping.environment))
    persons = max(links, persons_before(ledger, mapping.environment) or 0)
    facts = Facts(links, persons, None, ever_loaded(ledger, mapping.environment))
    return evaluate(plan, facts, mapping.safeguards)
