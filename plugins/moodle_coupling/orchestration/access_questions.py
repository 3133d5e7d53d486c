"""Targets that Moodle has under another name, in a run: asked in the ledger, and obeyed as somebody decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moodle_coupling.access.questions import mismatches, subject, waiting
from moodle_coupling.access.wanted import targets_of
from moodle_coupling.contract.columns import AccessCode, TargetKind
from moodle_coupling.contract.facts import AccessListFacts, SourceFacts
from moodle_coupling.ledger.access import answers, known_targets, name_kept
from moodle_coupling.ledger.mismatches import record_mismatches
from moodle_coupling.orchestration import staging

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import pandas as pd

    from moodle_coupling.access.questions import Answer, Question, Target
    from moodle_coupling.ledger.access import Known
    from moodle_coupling.mapping import Access
    from moodle_coupling.orchestration.run import Run
    from moodle_coupling.provisioning.access.targets import TargetsRead


def names_kept(known: Mapping[Target, Known], given: pd.DataFrame) -> dict[Target, str]:
    """Give under which name each target is kept that stands for another by a decision, as far as the ledger knows; no request is made.

    ``known`` are the ledger's known_targets, ``given`` what was given (ACCESS_GIVEN).
    """
    rows = list(given[["kind", "target", "target_id"]].drop_duplicates().itertuples(index=False, name=None))
    return {target: name_kept(one.number, target[0], rows) for target, one in known.items() if one.number is not None}


def with_names(access: Access, names: Mapping[Target, str]) -> Access:
    """Give access as the mapping says it, with its own cohorts under the names by which they are kept."""
    cohort = TargetKind.COHORT.value
    return access.model_copy(update={"owned": [names.get((cohort, name), name) for name in access.owned]})


class Asking:
    """The questions of a run; ``named`` is who belongs where by the names that the mapping and the list have (ACCESS_WANTED).

    ``names``: as what is kept that stands for something by a decision, before anything is looked at.
    """

    def __init__(self, run: Run, named: pd.DataFrame, given: pd.DataFrame) -> None:
        self._run, self._named = run, named
        self._known = known_targets(run.ledger, run.mapping.environment)
        self.names = names_kept(self._known, given)
        self._answers: dict[Target, Answer] = {}

    def names_of(self, targets: Collection[Target]) -> list[Target]:
        """Give the names that the mapping and the list have for these targets, which are as they are kept."""
        access = self._run.mapping.access
        owned = [(TargetKind.COHORT.value, name) for name in access.owned] if access is not None else []
        named = dict.fromkeys([*targets_of([self._named]).itertuples(index=False, name=None), *owned])
        wanted = set(targets)
        return [target for target in named if (target[0], self.names.get(target, target[1])) in wanted]

    @property
    def stood(self) -> dict[Target, int]:
        """What names stood for by the latest decision, also where that has been renamed since: it may still be meant."""
        return {target: one.stood for target, one in self._known.items() if one.stood is not None}

    def decide(self, questions: Sequence[Question]) -> dict[Target, int]:
        """Give what names stand for by the decisions in force on exactly these questions."""
        self._answers = answers(self._run.ledger, self._run.mapping.environment, questions)
        return {target: one.number for target, one in self._answers.items() if one.number is not None}

    def asked(self, questions: Sequence[Question]) -> tuple[tuple[str, str, tuple[int, ...]], ...]:
        """Give the names on which nobody decided, with the numbers of what they may stand for."""
        return tuple(
            (one.kind, one.name, tuple(each.number for each in one.alike))
            for one in questions
            if self._answers[one.target].asked
        )

    def record(self, names: Collection[Target], read: TargetsRead) -> None:
        """Write down what is asked, and what is no longer: of the names that were looked at, on a full run of all.

        What is decided and cannot be seen stays decided: a hidden course is there. Nothing is written down on a dry run, nor on one for
        some persons, which does not know who else waits.
        """
        run = self._run
        if run.dry_run or run.partial:
            return
        ledger, environment = run.ledger, run.mapping.environment
        found = mismatches(read.questions, waiting(self._named, names))
        looked = set(self._known) | set(names) if run.full and self._all_named() else set(names)
        missing = read.targets[read.targets["code"] == AccessCode.TARGET_MISSING]
        unseen = set(missing[["kind", "target"]].itertuples(index=False, name=None))
        unseen &= {target for target, one in self._known.items() if one.number is not None}
        examined = [subject(target) for target in looked - unseen]
        record_mismatches(ledger, environment, run.record.id, found, full=False, examined=examined)

    def _all_named(self) -> bool:
        """Tell whether every line of the source and of the list was read, so that a name that is not there is named no more."""
        listed = staging.find_facts(self._run.folder, AccessListFacts)
        everyone = staging.read_facts(self._run.folder, SourceFacts).everyone
        return everyone and (listed is None or listed.whole)
