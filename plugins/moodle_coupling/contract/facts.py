"""What the steps of a run, and the pages, tell each other beside frames: one model per thing that is told.

A model with a ``FILE`` stands in the run's folder under that name, as JSON (orchestration.staging reads and writes it). None
holds a name, address or other value of a person, but for MismatchFacts, which the ledger keeps.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - pydantic looks the hints up
import json
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, RootModel, ValidationError

PLANNED: Final = "planned_"
DONE: Final = "done_"
ACCESS: Final = "access_"
"""How the keys of a run's counts begin that are about access to cohorts and courses."""
_UNSEEN: Final = "unseen_"
_IN_SCOPE: Final = "in_scope"
_CREATED: Final = "created_by_calls"
_MICROSECONDS: Final = "create_microseconds"


class Told(BaseModel):
    """What one step tells the others, in a file of the run's folder."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    FILE: ClassVar[str]


class SourceFacts(Told):
    """What reading the source told.

    ``everyone``: nobody was left out, so who is not among the persons is not in the source. ``watermark``: where the next run
    begins, once this one ended well. ``warnings``: what the source gives to think about. ``left_alone``: columns it does not
    bring, whose fields stay as they are in Moodle. ``columns``: what each source brings.
    """

    FILE: ClassVar[str] = "source.json"
    everyone: bool
    watermark: str = ""
    warnings: tuple[str, ...] = ()
    left_alone: tuple[str, ...] = ()
    columns: dict[str, list[str]] = {}


class CandidateFacts(Told):
    """What making candidates told: how many persons belong in this Moodle, in the whole source."""

    FILE: ClassVar[str] = "candidates.json"
    in_scope: int


class SnapshotFacts(Told):
    """What reading Moodle told: the compared fields of which it is not proved that the service user sees them."""

    FILE: ClassVar[str] = "snapshot.json"
    unseen: tuple[str, ...] = ()


class PlanPart(BaseModel):
    """One part of a plan: the rows ``start`` up to ``stop`` as they were cut, and the digest of its file.

    ``loads``: a task of its own loads it; else nothing is written for it, and it was settled where it was cut.
    """

    model_config = ConfigDict(frozen=True)
    number: int
    start: int
    stop: int
    digest: str
    loads: bool


class PlanParts(Told):
    """Into which parts the plan of that digest was cut."""

    FILE: ClassVar[str] = "parts.json"
    plan: str
    parts: tuple[PlanPart, ...]


class StepDone(BaseModel):
    """A step that came to its end: in which series of tries (Run.series), when, and what it counted."""

    model_config = ConfigDict(frozen=True)
    series: int
    at: dt.datetime
    counts: dict[str, int]


class StepsDone(Told):
    """The steps of a task that a later try of it need not do again, by name."""

    FILE: ClassVar[str] = "done.json"
    steps: dict[str, StepDone]


class StagingMark(Told):
    """What the first task of a run leaves in its folder and in the ledger, so that each later one sees whether it has the same folder."""

    FILE: ClassVar[str] = "mark.json"
    token: str
    host: str


class LoadFacts(Told):
    """What the calls of a run's load cost so far: accounts created, the seconds of the calls that did it, requests in flight at most."""

    FILE: ClassVar[str] = "load.json"
    created: int = 0
    seconds: float = 0.0
    in_flight: int = 0

    @property
    def milliseconds(self) -> float | None:
        """The milliseconds that Moodle took to create an account; None where it created none."""
        return 1000 * self.seconds / self.created if self.created else None


class AccessListFacts(Told):
    """What reading a list of access told; ``whole``: no line of it was left out."""

    FILE: ClassVar[str] = "access_list.json"
    whole: bool
    warnings: tuple[str, ...] = ()


class AccessFacts(Told):
    """What is known of a run's access: the roles that courses show (shortname → number), and the digest of its plan.

    ``names``: (kind, a target as it is named, as it is kept) where the two differ. ``kept``: (kind, Moodle's number, as it is
    kept) of those targets. ``asked``: (kind, name, numbers) of names of which it is asked whether they stand for one of these.
    """

    FILE: ClassVar[str] = "access.json"
    roles: dict[str, int] = {}
    digest: str = ""
    names: tuple[tuple[str, str, str], ...] = ()
    kept: tuple[tuple[str, int, str], ...] = ()
    asked: tuple[tuple[str, str, tuple[int, ...]], ...] = ()


class Stopped(Told):
    """That a load stopped itself, and why: a sentence as written, or a text."""

    FILE: ClassVar[str] = "stopped.json"
    reason: str


class Away(Told):
    """Since when the site has been away."""

    FILE: ClassVar[str] = "away.json"
    since: dt.datetime


class Question(Told):
    """What somebody is asked to approve: the plan's digest, why, and the page's body (Markdown, without names)."""

    FILE: ClassVar[str] = "approval.json"
    digest: str
    reasons: tuple[str, ...]
    body: str


class Answer(Told):
    """What somebody answered about a plan, kept until it stands in the ledger too: that may be away at that moment."""

    FILE: ClassVar[str] = "answer.json"
    plan: str
    chosen_options: list[str]
    responded_by_user: dict[str, Any] | None
    responded_at: dt.datetime


class SourceState(BaseModel):
    """What the last good run left for the next, in the asset state store: its watermark, and the folder of the persons it knew."""

    model_config = ConfigDict(frozen=True)
    watermark: str = ""
    known: str = ""
    columns: dict[str, list[str]] = {}

    @classmethod
    def read(cls, told: Any) -> SourceState:
        """Read what the store holds; what cannot be read counts as nothing known."""
        try:
            return cls.model_validate(told)
        except ValidationError:
            return cls()


@dataclass(frozen=True, slots=True)
class AccessFigures:
    """What a run did with access, or (not ``loaded``) would have done.

    Rows: given or changed, taken back, not done, rejected; ``waiting``: of whom the day, or the account, has not come.
    """

    loaded: bool
    given: int
    taken_back: int
    failed: int
    rejected: int
    waiting: int


class RunCounts(RootModel[dict[str, int]]):
    """What a run counted at its end, as it stands in the ledger, in XCom and in the event of the accounts' asset.

    Its keys: ``planned_<action>``, ``done_<action>`` where something was loaded, ``<status>``, ``<verdict>.<status>``,
    ``in_scope`` and ``unseen_<field>``; ``created_by_calls`` and ``create_microseconds``, how many accounts the run's calls created,
    and what each took in Moodle. Of access ``access_planned_<action>``, ``access_done_<action>``, ``access_<status>`` and
    ``access_waiting``.
    """

    @property
    def loaded(self) -> bool:
        """Whether something was loaded: not on a dry run, and not where the plan was rejected."""
        return any(name.startswith(DONE) for name in self.root)

    @property
    def in_scope(self) -> int | None:
        """How many persons belong in this Moodle; None where it was not counted."""
        return self.root.get(_IN_SCOPE)

    @property
    def unseen(self) -> list[str]:
        """The fields that were left alone on existing accounts, because the service user may not see them."""
        return [name.removeprefix(_UNSEEN) for name in self.root if name.startswith(_UNSEEN)]

    @property
    def by_verdict(self) -> list[tuple[str, str, int]]:
        """How many persons of which verdict came to which status."""
        pairs = [(name.partition("."), number) for name, number in self.root.items() if "." in name]
        return [(verdict, status, number) for (verdict, _, status), number in pairs]

    def planned(self, action: str) -> int:
        """Give how many rows of the plan intended an action."""
        return self.root.get(PLANNED + action, 0)

    def done(self, action: str) -> int:
        """Give how often an action was carried out."""
        return self.root.get(DONE + action, 0)

    def ended(self, status: str) -> int:
        """Give how many rows came to a status."""
        return self.root.get(status, 0)

    @property
    def access(self) -> AccessFigures | None:
        """What the run did with access; None where its mapping gives none."""
        if not any(name.startswith(f"{ACCESS}{PLANNED}") for name in self.root):
            return None
        loaded = any(name.startswith(f"{ACCESS}{DONE}") for name in self.root)
        verb, number = f"{ACCESS}{DONE if loaded else PLANNED}", self.root.get
        return AccessFigures(
            loaded,
            given=number(f"{verb}give", 0) + number(f"{verb}extend", 0),
            taken_back=number(f"{verb}take_back", 0),
            failed=number(f"{ACCESS}failed", 0) + number(f"{ACCESS}unknown", 0),
            rejected=number(f"{ACCESS}rejected" if loaded else f"{verb}reject", 0),
            waiting=number(f"{ACCESS}waiting", 0),
        )

    @staticmethod
    def key_of(verdict: str, status: str) -> str:
        """Give the key of a verdict with a status; a person rejected before matching has no verdict."""
        return f"{verdict or 'rejected'}.{status}"

    @staticmethod
    def of_the_whole(in_scope: int, unseen: tuple[str, ...], load: LoadFacts) -> dict[str, int]:
        """Give the counts that are of the run as a whole."""
        counts = {_IN_SCOPE: in_scope} | {f"{_UNSEEN}{field}": 1 for field in unseen}
        if load.milliseconds is not None:
            counts |= {_CREATED: load.created, _MICROSECONDS: round(1000 * load.milliseconds)}
        return counts

    @property
    def create_cost(self) -> tuple[int, float] | None:
        """How many accounts the run's calls created, and the milliseconds Moodle took for each; None where it created none."""
        if not self.root.get(_CREATED):
            return None
        return self.root[_CREATED], self.root.get(_MICROSECONDS, 0) / 1000


class MismatchFacts(BaseModel):
    """What a mismatch stands on: the person and the accounts meant, as they were compared; when any of it changes, a decision lapses.

    ``accounts`` by id; None for one that was not read. On a ``target`` of access (its ``kind``, its ``name`` as it is named, and the
    field ``by`` which it is looked up) there is no person, and ``accounts`` are the cohorts or courses that may be meant. ``sources``: what each source says, where they disagree on who it is.
    """

    model_config = ConfigDict(frozen=True)
    person: dict[str, Any] = {}
    accounts: dict[str, dict[str, Any] | None] = {}
    sources: str = ""
    target: dict[str, Any] = {}

    @classmethod
    def read(cls, text: str) -> MismatchFacts:
        """Read what the ledger keeps; a part that is not as ``written`` gives it counts as not known."""
        try:
            found = json.loads(text)
        except ValueError:
            return cls()
        parts = found if isinstance(found, dict) else {}
        person, accounts, target = (
            part if isinstance(part := parts.get(name), dict) else {} for name in ("person", "accounts", "target")
        )
        return cls(
            person=person,
            accounts={
                number: values if isinstance(values, dict) else None
                for number, values in accounts.items()
                if number.isdecimal()
            },
            sources=parts["sources"] if isinstance(parts.get("sources"), str) else "",
            target=target,
        )

    def plain(self) -> dict[str, Any]:
        """Give the facts as JSON values."""
        rest = {"sources": self.sources, "target": self.target}
        return {"person": self.person, "accounts": self.accounts} | {name: part for name, part in rest.items() if part}

    def written(self) -> str:
        """Give the facts as the ledger keeps them. Their digest binds decisions: what is written must not change."""
        return json.dumps(self.plain(), ensure_ascii=False, sort_keys=True)
