"""The approval step: waits for a human when a safeguard has tripped, and lets everything else pass at once."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator

if TYPE_CHECKING:
    from airflow.sdk import BaseNotifier, Context

    from moodle_coupling.orchestration.run import Run

QUESTION = "approval.json"
"""In the run's folder when a safeguard has tripped: digest of the plan, reasons, body (Markdown, without names)."""


class PlanApproval(ApprovalOperator):
    """Asks for approval of exactly the plan of this run; a reject, or no answer in time, writes nothing.

    The question, who answered and when stand in the ledger.
    """

    def __init__(self, *, mapping_path: str, **kwargs: Any) -> None:
        self.mapping_path = mapping_path
        super().__init__(defaults=self.REJECT, **kwargs)

    def execute(self, context: Context) -> Any:
        """Pass at once when nothing tripped, on a dry run, or when this very plan is approved already."""
        from moodle_coupling.ledger.approvals import ask, is_approved
        from moodle_coupling.ledger.runs import set_state
        from moodle_coupling.ledger.words import RunState
        from moodle_coupling.orchestration.remembering import let_go
        from moodle_coupling.orchestration.run import open_run

        run = open_run(self.mapping_path, context)
        question = read_question(run)
        if question is None or run.dry_run:
            self.log.info("No safeguard has tripped." if question is None else "A dry run writes nothing.")
            return {"needed": False}
        if is_approved(run.ledger, run.record.id, question["digest"]):
            self.log.info("This very plan was approved already.")
            return {"needed": False}
        ask(run.ledger, run.record.id, question["digest"], question["reasons"])
        set_state(run.ledger, run.record.id, RunState.WAITING_APPROVAL, reason=" ".join(question["reasons"]))
        let_go(run.ledger, run.mapping.environment, run.holder)
        self.body = f"{question['body']}\n\nThe whole plan, with names: `{run.folder}/plan.parquet`"
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Write the answer into the ledger; a reject skips the load."""
        from moodle_coupling.ledger.approvals import answer, ask
        from moodle_coupling.ledger.runs import set_state
        from moodle_coupling.ledger.words import ApprovalAnswer, RunState
        from moodle_coupling.orchestration.run import open_run

        run = open_run(self.mapping_path, context)
        question = read_question(run)
        if question is not None and "error" not in event:
            approved = event["chosen_options"] == [self.APPROVE]
            who = event.get("responded_by_user")
            decision = (
                ApprovalAnswer.APPROVED if approved else ApprovalAnswer.REJECTED if who else ApprovalAnswer.LAPSED
            )
            asked = ask(run.ledger, run.record.id, question["digest"], question["reasons"])
            by = str((who or {}).get("name") or (who or {}).get("id") or "nobody in time")
            answer(run.ledger, asked.id, decision, by=by)
            set_state(
                run.ledger,
                run.record.id,
                RunState.RUNNING if approved else RunState.REJECTED,
                reason=f"{decision} by {by}",
            )
        return super().execute_complete(context, event)


def approval_task(mapping_path: str, hours: int, notifiers: list[BaseNotifier]) -> PlanApproval:
    """Make the approval step of a provision DAG."""
    return PlanApproval(
        task_id="approve",
        task_display_name="Safeguards and approval",
        doc_md="Passes at once, unless a safeguard has tripped: then a human approves or rejects exactly this plan.",
        mapping_path=mapping_path,
        subject="A plan for Moodle waits for your approval",
        response_timeout=dt.timedelta(hours=hours),
        notifiers=notifiers,
    )


def read_question(run: Run) -> dict[str, Any] | None:
    """Give what is to be approved; None when no safeguard has tripped."""
    path = run.folder / QUESTION
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text())
    return found
