"""The tables of the ledger."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, ClassVar

from sqlalchemy import JSON, ForeignKey, Index, MetaData, UniqueConstraint, false, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from moodle_coupling.ledger.cells import BigId, Lowered, PrefixText, StoredText, UtcTime

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
Number = Annotated[int, mapped_column(BigId, primary_key=True, autoincrement=True)]
_STANDING = text("standing")
_OPEN = text("lifted_at IS NULL")
ASSIGNED = text("assigned_to <> ''")
"""Said in so many letters where it is asked too: only then SQLite takes the index that has these rows."""


class Base(DeclarativeBase):
    """The registry of the ledger's tables. Text columns hold '' for "absent"."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: StoredText(),
        int: BigId,
        dt.datetime: UtcTime(),
        dict[str, Any]: JSON(),
    }


class RunRow(Base):
    """One DAG run of one environment; cleared and tried again it stays the same run."""

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("environment", "dag_id", "run_id"),
        Index("ix_runs_environment_started", "environment", "started"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    environment: Mapped[str]
    dag_id: Mapped[str]
    run_id: Mapped[str]
    mode: Mapped[str]
    state: Mapped[str]
    started: Mapped[dt.datetime]
    ended: Mapped[dt.datetime | None]
    counts: Mapped[dict[str, Any]]
    plan_digest: Mapped[str]
    plan_no: Mapped[int]
    """0 before there is a plan; one more each time the run, cleared by someone, makes a different plan."""
    reason: Mapped[str]


class IntentionRow(Base):
    """One row of a plan that writes: recorded before its batch is sent, settled with its outcome."""

    __tablename__ = "intentions"
    __table_args__ = (Index("ix_intentions_run_plan_no_state", "run", "plan_no", "state"),)

    run: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    plan_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    batch: Mapped[str]
    sent_at: Mapped[dt.datetime | None]
    settled_at: Mapped[dt.datetime | None]


class ProgressRow(Base):
    """How far a step of a run is; the latest word only."""

    __tablename__ = "progress"

    run: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    step: Mapped[str] = mapped_column(primary_key=True)
    done: Mapped[int]
    total: Mapped[int | None]
    started: Mapped[dt.datetime]
    at: Mapped[dt.datetime]
    steady_since: Mapped[dt.datetime]
    """Since when words came without a long silence between them: what the rate is counted from."""
    steady_done: Mapped[int]
    """How much was done then."""


class ApprovalRow(Base):
    """A question whether one plan may be loaded, and its answer; it holds for exactly that plan of that run."""

    __tablename__ = "approvals"
    __table_args__ = (
        Index(
            "uq_approvals_open",
            "run",
            "plan_digest",
            unique=True,
            sqlite_where=text("decision = ''"),
            postgresql_where=text("decision = ''"),
        ),
        Index("ix_approvals_run", "run"),
    )

    id: Mapped[Number]
    run: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    plan_digest: Mapped[str]
    reasons: Mapped[str]
    """JSON list of sentences: which safeguards tripped."""
    asked_at: Mapped[dt.datetime]
    decision: Mapped[str]
    decided_by: Mapped[str]
    at: Mapped[dt.datetime | None]


class OutcomeRow(Base):
    """One try of one row of a plan. Of a row's tries exactly one stands: the latest.

    Nothing in a row changes once written, except ``standing``, which a later try takes over.
    """

    __tablename__ = "outcomes"
    __table_args__ = (
        UniqueConstraint("run", "plan_no", "key", "attempt"),
        Index(
            "uq_outcomes_standing",
            "run",
            "plan_no",
            "key",
            unique=True,
            sqlite_where=_STANDING,
            postgresql_where=_STANDING,
        ),
        # All that the list of a run is filtered and counted by. Not WHERE standing: SQLAlchemy says standing = 1 to SQLite,
        # for which that is something else.
        Index("ix_outcomes_listed", "run", "plan_no", "standing", "status", "code", "action", "verdict", "id"),
        Index("ix_outcomes_environment_at", "environment", "at"),
        Index("ix_outcomes_person_id", "person_id", "at"),
        Index("ix_outcomes_extern_id", "extern_id", "at"),
        Index("ix_outcomes_idnumber", "idnumber", "at"),
        Index("ix_outcomes_username", "username", "at"),
        Index("ix_outcomes_email_key", "email_key", "at"),
        Index("ix_outcomes_name_key", "name_key"),
        Index("ix_outcomes_account_id", "environment", "account_id"),
    )

    id: Mapped[Number]
    run: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    plan_no: Mapped[int]
    key: Mapped[str]
    attempt: Mapped[int]
    standing: Mapped[bool]
    environment: Mapped[str]
    row: Mapped[int | None]
    person_id: Mapped[str]
    extern_id: Mapped[str]
    idnumber: Mapped[str]
    account_id: Mapped[int | None]
    verdict: Mapped[str]
    action: Mapped[str]
    username: Mapped[str]
    firstname: Mapped[str]
    lastname: Mapped[str]
    email: Mapped[str]
    email_key: Mapped[str]
    """The e-mail address in small letters, for looking up."""
    name_key: Mapped[str] = mapped_column(PrefixText)
    """Last and first name in small letters, for looking up by how it begins."""
    status: Mapped[str]
    code: Mapped[str]
    message: Mapped[str]
    changes: Mapped[str]
    """JSON {field: [old, new]}."""
    at: Mapped[dt.datetime]


class MismatchRow(Base):
    """One thing a human must judge: a subject, a verdict and the facts; found again, it is the same row."""

    __tablename__ = "mismatches"
    __table_args__ = (
        UniqueConstraint("environment", "subject", "verdict", "facts_digest"),
        Index("ix_mismatches_environment_status", "environment", "status", "last_seen"),
        Index("ix_mismatches_person_id", "person_id"),
        Index("ix_mismatches_extern_id", "extern_id"),
        Index("ix_mismatches_idnumber", "idnumber"),
        Index("ix_mismatches_username", "username"),
        Index("ix_mismatches_email_key", "email_key"),
        Index("ix_mismatches_name_key", "name_key"),
        Index("ix_mismatches_account_id", "account_id"),
        # All that a list is counted by.
        Index("ix_mismatches_counted", "environment", "status", "verdict", "proposal", "assigned_to"),
        Index("ix_mismatches_assigned_to", "assigned_to", sqlite_where=ASSIGNED, postgresql_where=ASSIGNED),
    )

    id: Mapped[Number]
    environment: Mapped[str]
    subject: Mapped[str]
    """Who or what it is about: 'person <person_id>', 'idnumber <idnumber>', 'account <id>' when no person is involved; of a target of
    access its kind and name: 'cohort <name>', 'course <name>'."""
    verdict: Mapped[str]
    facts_digest: Mapped[str]
    facts: Mapped[str]
    """JSON: what the verdict stands on; when it changes, this is another mismatch and decisions lapse."""
    status: Mapped[str]
    since: Mapped[dt.datetime | None] = mapped_column()
    """Since when it has this status. Never missing; SQLite adds no column that must be filled to a table with rows."""
    version: Mapped[int]
    """One more with every change of status: a decision names the version it was taken on."""
    person_id: Mapped[str]
    extern_id: Mapped[str]
    idnumber: Mapped[str]
    account_id: Mapped[int | None]
    other_accounts: Mapped[str]
    """JSON [id, …]; of a target of access, the numbers of the cohorts or courses that may be meant."""
    username: Mapped[str]
    firstname: Mapped[str]
    lastname: Mapped[str]
    email: Mapped[str]
    email_key: Mapped[str]
    name_key: Mapped[str] = mapped_column(PrefixText)
    evidence: Mapped[str]
    proposal: Mapped[str]
    score: Mapped[int | None]
    """How alike the person and the likeliest account are, of 100 (matching.score); missing where nothing could be compared."""
    first_seen: Mapped[dt.datetime]
    last_seen: Mapped[dt.datetime]
    times_seen: Mapped[int]
    last_run: Mapped[str]
    assigned_to: Mapped[str] = mapped_column(server_default="")
    """Who is to judge it; '' for nobody in particular."""
    due: Mapped[str | None]
    """By when, as YYYY-MM-DD: a day in nobody's zone, which sorts and compares as text."""


for _column in ("person_id", "extern_id", "idnumber", "username", "email_key"):
    Index(f"ix_mismatches_{_column}_begins", Lowered(getattr(MismatchRow, _column)))


class NameWordRow(Base):
    """A word of a name and the name, as the outcomes and mismatches have it in ``name_key``: once, however many have it."""

    __tablename__ = "name_words"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012  # the key is the whole row: kept once, not twice

    word: Mapped[str] = mapped_column(PrefixText, primary_key=True)
    name_key: Mapped[str] = mapped_column(PrefixText, primary_key=True)


class DecisionRow(Base):
    """What someone decided on a mismatch, and what came of it. Decisions are added, never changed or removed."""

    __tablename__ = "decisions"
    __table_args__ = (Index("ix_decisions_mismatch", "mismatch"), Index("ix_decisions_at", "at"))

    id: Mapped[Number]
    mismatch: Mapped[int] = mapped_column(ForeignKey("mismatches.id", ondelete="CASCADE"))
    kind: Mapped[str]
    account_id: Mapped[int | None]
    """The account meant, where the mismatch points at several; of a target of access, the cohort or course."""
    account_print: Mapped[str] = mapped_column(server_default="")
    """What the account looked like (matching.facts.account_print), where the mismatch does not point at it; else ''."""
    note: Mapped[str]
    by: Mapped[str]
    at: Mapped[dt.datetime]
    facts_digest: Mapped[str]
    applied_run: Mapped[str]
    """The run that carried it out; '' while none has."""
    applied_at: Mapped[dt.datetime | None]
    lapsed_at: Mapped[dt.datetime | None]
    withdrawn_by: Mapped[str] = mapped_column(server_default="")
    """Who took it back, at ``lapsed_at``; '' where it lapsed otherwise, or stands."""


class LinkRow(Base):
    """One account that this coupling created or found; an idnumber has one account and an account one idnumber."""

    __tablename__ = "links"
    __table_args__ = (
        Index("uq_links_environment_account_id", "environment", "account_id", unique=True),
        Index("ix_links_person_id", "person_id"),
    )

    environment: Mapped[str] = mapped_column(primary_key=True)
    idnumber: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[int]
    person_id: Mapped[str]
    username: Mapped[str]
    """The username that was given; it may have been changed in Moodle since."""
    fingerprint: Mapped[str]
    """Hash of what was last written or seen to be right; '' when not known, so that the next run looks."""
    created_by_us: Mapped[bool]
    suspended_by: Mapped[str]
    """'' when not suspended by us; else who did: 'coupling', or an analyst's name."""
    suspended_at: Mapped[dt.datetime | None]
    linked_at: Mapped[dt.datetime]
    seen_at: Mapped[dt.datetime]


class AccessRow(Base):
    """One account's access to one cohort or course: given by us, or found there when it was due."""

    __tablename__ = "access"
    __table_args__ = (Index("ix_access_person_id", "person_id"), Index("ix_access_idnumber", "idnumber"))

    environment: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(primary_key=True)
    target: Mapped[str] = mapped_column(primary_key=True)
    """As the mapping or the list names it; what somebody decided it to stand for, by its own name, or its number (#12)."""
    target_id: Mapped[int]
    idnumber: Mapped[str]
    person_id: Mapped[str]
    role: Mapped[str]
    timestart: Mapped[int]
    timeend: Mapped[int]
    suspended: Mapped[bool]
    ours: Mapped[bool]
    """We gave it, so we may take it back."""
    run: Mapped[str]
    """The run that gave it, or changed it last."""
    given_at: Mapped[dt.datetime]
    changed_at: Mapped[dt.datetime]


class AccessOutcomeRow(Base):
    """What became of one row of a plan of access: the latest try, of whom there was something to do."""

    __tablename__ = "access_outcomes"
    __table_args__ = (
        UniqueConstraint("run", "plan", "position"),
        Index("ix_access_outcomes_environment_at", "environment", "at"),
        Index("ix_access_outcomes_person_id", "person_id", "at"),
        Index("ix_access_outcomes_idnumber", "idnumber", "at"),
    )

    id: Mapped[Number]
    run: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    plan: Mapped[str]
    """The digest of the plan of access: cleared by someone, a run may make another."""
    position: Mapped[int]
    """The row's place in that plan."""
    environment: Mapped[str]
    person_id: Mapped[str]
    extern_id: Mapped[str]
    idnumber: Mapped[str]
    account_id: Mapped[int | None]
    kind: Mapped[str]
    target: Mapped[str]
    role: Mapped[str]
    timestart: Mapped[int] = mapped_column(server_default="0")
    timeend: Mapped[int] = mapped_column(server_default="0")
    suspended: Mapped[bool] = mapped_column(server_default=false())
    action: Mapped[str]
    status: Mapped[str]
    code: Mapped[str]
    message: Mapped[str]
    at: Mapped[dt.datetime]


class AbsenceRow(Base):
    """An account whose idnumber belongs to no person of the source, and since when; removed when that ends."""

    __tablename__ = "absences"

    environment: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    idnumber: Mapped[str]
    since: Mapped[dt.datetime]


class ProtectionRow(Base):
    """Someone's word that an account must not be touched.

    An account may have several, one for each mismatch on which that was decided: taking one decision back leaves the
    account protected as long as another stands.
    """

    __tablename__ = "protections"
    __table_args__ = (
        UniqueConstraint("environment", "account_id", "mismatch"),
        Index("ix_protections_mismatch", "mismatch"),
    )

    id: Mapped[Number]
    environment: Mapped[str]
    account_id: Mapped[int]
    by: Mapped[str]
    at: Mapped[dt.datetime]
    note: Mapped[str]
    mismatch: Mapped[int | None] = mapped_column(ForeignKey("mismatches.id", ondelete="SET NULL"))
    """The mismatch on which it was decided; missing when it was done to the account itself, or the mismatch was purged."""


class ReadingRow(Base):
    """The last reading of everyone in an environment: when it was, and the highest account id that was seen since."""

    __tablename__ = "readings"

    environment: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[dt.datetime]
    highest: Mapped[int]


class AccountKeyRow(Base):
    """A key of an account that no exact look-up would find, as a digest."""

    __tablename__ = "account_keys"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012  # the key is the whole row: kept once, not twice

    environment: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class ClaimRow(Base):
    """The environment that had a connection first, as long as its mapping file names it."""

    __tablename__ = "claims"

    connection: Mapped[str] = mapped_column(primary_key=True)
    environment: Mapped[str]
    since: Mapped[dt.datetime]


class LeaseRow(Base):
    """Who may write to an environment now; one row for each environment, kept when free so that ``token`` only grows."""

    __tablename__ = "leases"

    environment: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str]
    token: Mapped[int]
    """One more for each new holder: a run that slept through its lease still has the old one, and is refused."""
    since: Mapped[dt.datetime]
    expires: Mapped[dt.datetime]


class QuarantineRow(Base):
    """A time in which scheduled runs of an environment stay away from it; the row that is not lifted counts."""

    __tablename__ = "quarantines"
    __table_args__ = (
        Index("uq_quarantines_open", "environment", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_quarantines_environment_since", "environment", "since"),
    )

    id: Mapped[Number]
    environment: Mapped[str]
    since: Mapped[dt.datetime]
    level: Mapped[int]
    until: Mapped[dt.datetime]
    reason: Mapped[str]
    lifted_by: Mapped[str]
    lifted_at: Mapped[dt.datetime | None]


class SharedDocumentRow(Base):
    """What all workers share: a source's requests spent and encrypted token, the mark of a run's folder. No personal data."""

    __tablename__ = "shared_documents"

    key: Mapped[str] = mapped_column(primary_key=True)
    """What it is, and a hash of whose, or the run."""
    document: Mapped[str]
    """JSON. Text and not a JSON column: it is read and written whole, and both databases keep it as it was."""
    changed_at: Mapped[dt.datetime]


class ActivityRow(Base):
    """Who did what, in the UI or on the command line."""

    __tablename__ = "activity"
    __table_args__ = (Index("ix_activity_at", "at"), Index("ix_activity_environment_at", "environment", "at"))

    id: Mapped[Number]
    at: Mapped[dt.datetime]
    by: Mapped[str]
    environment: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    """Whom or what it was done to: a person id, 'mismatch 12', a run; '' for the environment as a whole."""
    detail: Mapped[str]
