"""What a run of decisions will write, and whether it waits for approval, before anybody starts it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.matching.foreseen import Change, Write, as_plan, foreseen
from moodle_coupling.orchestration import names, safety
from moodle_coupling.web.base.access import MASK, Access
from moodle_coupling.web.base.ledgers import the_ledger
from moodle_coupling.web.environments import starts as starting
from moodle_coupling.web.mismatches.facts import NAMES
from moodle_coupling.web.mismatches.rows import Reader, Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from moodle_coupling.matching.safeguards import Tripped
    from moodle_coupling.web.base.couplings import Coupling
    from moodle_coupling.words.sentence import Sentence, Texts

MOST: Final = 20
"""Persons that are shown of each environment."""


@dataclass(frozen=True, slots=True)
class Line:
    """One mismatch, and what is written for it: each account with its fields, as the user may see them."""

    row: Row
    writes: tuple[Write, ...]


@dataclass(frozen=True, slots=True)
class Foresight:
    """What a run of one environment comes to.

    ``number`` mismatches, of which the first are the ``lines``; ``actions``: how many accounts, by what is done to them.
    ``approval``: why it will wait for somebody's approval; nothing where what is decided gives no cause. ``paused``: it is not
    started; ``off``: the Dag is switched off in Airflow, so it waits.
    """

    coupling: Coupling
    number: int
    lines: tuple[Line, ...]
    actions: Mapping[str, int]
    approval: tuple[Sentence, ...]
    paused: bool
    off: bool

    @property
    def more(self) -> int:
        """Give how many mismatches are not shown."""
        return self.number - len(self.lines)


def foresee(
    access: Access, texts: Texts, environment: str, found: Sequence[Mapping[str, Any]], *, paused: bool
) -> Foresight:
    """Foresee a run for the decided mismatches of an environment; ``found`` as the ledger's pages have them."""
    coupling, reader = access.coupling(environment), Reader(access, texts, deciding=False)
    rows = [reader.row(record) for record in found]
    writes = [_writes(row, coupling) for row in rows]
    tripped: tuple[Tripped, ...] = ()
    if coupling.mapping is not None:
        tripped = safety.foresee(the_ledger(), coupling.mapping, as_plan(one for some in writes for one in some))
    dag = names.provision_id(environment)
    state = starting.dag_states([dag]).get(dag)
    shown = zip(rows[:MOST], writes, strict=False)
    return Foresight(
        coupling,
        len(found),
        tuple(Line(row, _as_seen(row, some)) for row, some in shown),
        Counter(one.action.value for some in writes for one in some),
        tuple(one.said for one in tripped),
        paused=paused,
        off=state is not None and not state.is_on,
    )


def _writes(row: Row, coupling: Coupling) -> tuple[Write, ...]:
    stands = row.holds
    if stands is None:
        return ()
    return foreseen(row.verdict, row.facts.raw, stands.kind, stands.account_id, coupling.mapping)


def _as_seen(row: Row, writes: tuple[Write, ...]) -> tuple[Write, ...]:
    """Leave values out that are not the user's to see."""
    if row.sees_names:
        return writes
    return tuple(
        replace(write, changes={name: _masked(name, pair) for name, pair in write.changes.items()}) for write in writes
    )


def _masked(name: str, pair: Change) -> Change:
    old, new = (MASK if value and name in NAMES else value for value in pair)
    return old, new
