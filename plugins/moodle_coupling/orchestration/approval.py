"""The approval step: waits for a human when a safeguard has tripped, and lets everything else pass at once."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param

from moodle_coupling import settings
from moodle_coupling.airflow_internals import params_dict
from moodle_coupling.contract.facts import Answer, Question
from moodle_coupling.errors import OtherPlanAnswered
from moodle_coupling.orchestration import names
from moodle_coupling.orchestration.staging import find_facts, write_facts
from moodle_coupling.words.sentence import Sentence, in_turn, read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow.sdk import BaseNotifier, Context

    from moodle_coupling.ledger.approvals import Approval
    from moodle_coupling.orchestration.run import Run

APPROVE: Final = "approve"
"""The task's id."""
PLAN: Final = "plan"
"""The field of the form that says which plan an answer is about; a page of an earlier plan sends that plan's."""


class PlanApproval(ApprovalOperator):
    """Asks for approval of exactly the plan of this run; a reject, or no answer in time, writes nothing.

    The question, who answered and when stand in the ledger. What somebody answered about a plan of a run stands: that plan is
    not asked about again, whatever fails after the answer, and a rejected one is never loaded.
    """

    def __init__(self, *, mapping_path: str, **kwargs: Any) -> None:
        self.mapping_path = mapping_path
        super().__init__(defaults=self.REJECT, **kwargs)

    def execute(self, context: Context) -> Any:
        """Pass at once when nothing tripped, on a dry run, or when this very plan is answered already.

        In a run the first two are skipped by the task 'plan'; a task that is cleared by itself begins all the same.
        """
        from moodle_coupling.ledger.approvals import ask
        from moodle_coupling.ledger.runs import set_state
        from moodle_coupling.ledger.words import RunState
        from moodle_coupling.orchestration.run import let_go, open_run
        from moodle_coupling.orchestration.shared_staging import check_mark

        run = open_run(self.mapping_path, context)
        check_mark(run)
        question = find_facts(run.folder, Question)
        if question is None or run.dry_run:
            self.log.info("No safeguard has tripped." if question is None else "A dry run writes nothing.")
            return {"needed": False}
        kept = _kept_answer(run, question.digest)
        if kept is not None:
            self.log.info("The answer that somebody gave before this task broke off counts.")
            return self._answered(run, question, context, kept)
        asked = ask(run.ledger, run.record.id, question.digest, question.reasons)
        if asked.decision is not None:
            self.log.info("This very plan was %s already; that stands.", _decided(asked))
            return self._go_on(run, context, asked, {"params_input": {}, "responded_at": asked.at})
        set_state(run.ledger, run.record.id, RunState.WAITING_APPROVAL, reason=_in_turn(question.reasons))
        let_go(run.ledger, run.mapping.environment, run.holder)
        say = settings.texts().say
        self.subject = say(Sentence("approval.subject"))
        where = names.plan(run.record.dag_id, run.record.run_id)
        self.body = f"{question.body}\n\n[{say(Sentence('approval.whole_plan'))}]({where})"
        self.params = params_dict({PLAN: _plan_field(question.digest, say)})
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Write the answer into the ledger; a reject skips the load.

        Raises OtherPlanAnswered when it is not about this plan: the task is tried again, and asks again.
        """
        from moodle_coupling.orchestration.run import open_run
        from moodle_coupling.orchestration.shared_staging import check_mark

        run = open_run(self.mapping_path, context)
        check_mark(run)
        question = find_facts(run.folder, Question)
        if question is None or "error" in event:
            return super().execute_complete(context, event)
        _refuse_other_plan(question.digest, event, approves=event["chosen_options"] == [self.APPROVE])
        _keep_answer(run, question.digest, event)
        return self._answered(run, question, context, event)

    def _answered(self, run: Run, question: Question, context: Context, event: dict[str, Any]) -> Any:
        """Put the answer into the ledger, where the first one stands, and act on what stands there."""
        from moodle_coupling.ledger.approvals import answer, ask
        from moodle_coupling.ledger.words import ApprovalAnswer

        asked = ask(run.ledger, run.record.id, question.digest, question.reasons)
        if asked.decision is None:
            who = event.get("responded_by_user")
            approved = event["chosen_options"] == [self.APPROVE]
            decision = (
                ApprovalAnswer.APPROVED if approved else ApprovalAnswer.REJECTED if who else ApprovalAnswer.LAPSED
            )
            by = str((who or {}).get("name") or (who or {}).get("id") or "")
            asked = answer(run.ledger, asked.id, decision, by=by)
        return self._go_on(run, context, asked, event)

    def _go_on(self, run: Run, context: Context, asked: Approval, event: dict[str, Any]) -> Any:
        """Let the load go, or skip it."""
        from moodle_coupling.ledger.runs import set_state
        from moodle_coupling.ledger.words import ApprovalAnswer, RunState

        approved = asked.decision is ApprovalAnswer.APPROVED
        state = RunState.RUNNING if approved else RunState.REJECTED
        set_state(run.ledger, run.record.id, state, reason=_decided(asked).written())
        option = self.APPROVE if approved else self.REJECT
        user = {"id": asked.decided_by, "name": asked.decided_by}
        return super().execute_complete(context, {"responded_by_user": user, **event, "chosen_options": [option]})


def _in_turn(reasons: Sequence[str]) -> str:
    said = [sentence for reason in reasons if (sentence := read(reason)) is not None]
    return in_turn(said).written() if said else ""


def _decided(asked: Approval) -> Sentence:
    return Sentence(f"run.{asked.decision}", by=asked.decided_by)


def approval_task(mapping_path: str, hours: int, notifiers: list[BaseNotifier]) -> PlanApproval:
    """Make the approval step of a provision DAG."""
    return PlanApproval(
        task_id=APPROVE,
        task_display_name="Safeguards and approval",
        doc_md="Passes at once, unless a safeguard has tripped: then a human approves or rejects exactly this plan.",
        mapping_path=mapping_path,
        subject="approval",  # said when it is asked
        response_timeout=dt.timedelta(hours=hours),
        notifiers=notifiers,
    )


def _plan_field(digest: str, say: Callable[[Sentence], str]) -> Param:
    return Param(
        default=digest,
        type="string",
        const=digest,
        title=say(Sentence("approval.plan")),
        description=say(Sentence("approval.plan.meaning")),
    )


def _refuse_other_plan(digest: str, event: dict[str, Any], *, approves: bool) -> None:
    """Make sure that an answer is about this plan. A reject need not say so: it does no harm."""
    said = (event.get("params_input") or {}).get(PLAN)
    if event.get("responded_by_user") is None or said == digest or (said is None and not approves):
        return
    raise OtherPlanAnswered(Sentence("run.other_plan_answered"))


def _keep_answer(run: Run, digest: str, event: dict[str, Any]) -> None:
    """Keep what somebody answered, until it stands in the ledger too."""
    if event.get("responded_by_user") is not None:
        kept = {name: event[name] for name in ("chosen_options", "responded_by_user", "responded_at")}
        write_facts(run.folder, Answer(plan=digest, **kept))


def _kept_answer(run: Run, digest: str) -> dict[str, Any] | None:
    """Give what somebody answered about exactly this plan, as the event that told it; None when nobody did."""
    kept = find_facts(run.folder, Answer)
    if kept is None or kept.plan != digest:
        return None
    return kept.model_dump(exclude={"plan"}) | {"params_input": {}}
