"""Taking a refused batch apart, until every culprit stands alone and everyone else is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from moodle_coupling.errors import MoodleRefused, MoodleRequestTooLarge
from moodle_coupling.provisioning.load.culprits import Sendable, is_suspect, named_culprits

if TYPE_CHECKING:
    from collections.abc import Sequence

Refusal = MoodleRefused | MoodleRequestTooLarge
Item = TypeVar("Item", bound=Sendable)


class Job(Protocol[Item]):
    """One batch on its way: how to send a part of it and what to write down of a culprit."""

    def try_send(self, items: Sequence[Item]) -> Refusal | None:
        """Send items in one call and write down what became of them; the refusal if it was refused as a whole."""

    def refuse(self, item: Item, refusal: Refusal, *, explained: bool) -> None:
        """Write down that Moodle refused this one; ``explained`` when we know what is wrong with it."""

    def still_open(self, items: Sequence[Item]) -> list[Item]:
        """Give the items of which it is not known that they are done."""


def take_apart(job: Job[Item], items: Sequence[Item], refusal: Refusal | None) -> None:
    """Bring in everyone of a refused batch whom Moodle takes.

    ``refusal`` is what Moodle said of exactly these items, None when it has not seen these together. With b culprits
    that nothing names among n it takes log2(n) + 2 calls for one, about 2·b·log2(n/b) for more, else about one per culprit
    and one for the rest.
    """
    suspects = [item for item in items if is_suspect(item)]
    rest = [item for item in items if not is_suspect(item)]
    if suspects or refusal is None:
        refusal = job.try_send(rest) if rest else None
    while refusal is not None and (named := named_culprits(refusal, rest)):
        for item in named:
            job.refuse(item, refusal, explained=True)
        blamed = {item.index for item in named}
        rest = [item for item in rest if item.index not in blamed]
        refusal = job.try_send(rest) if rest else None
    if refusal is not None:
        _take_out_one(job, rest, refusal)
    for item in suspects:
        send_alone(job, item, explained=True)


def _take_out_one(job: Job[Item], items: Sequence[Item], refusal: Refusal) -> None:
    """Look for one culprit among refused items and send all others together; where that is refused too, by halves.

    One culprit that nothing names is found among n in log2(n) calls, and two more.
    """
    if not isinstance(refusal, MoodleRefused):
        _halve(job, items, refusal)
        return
    suspects = job.still_open(items)
    others: list[Item] = []
    said: Refusal | None = refusal
    while len(suspects) > 1:
        left, right = suspects[: -(-len(suspects) // 2)], suspects[-(-len(suspects) // 2) :]
        answer = job.try_send(left)
        suspects = right if answer is None else job.still_open(left)
        others += right if answer is not None else []
        said = answer
    for item in suspects:
        if said is None:
            send_alone(job, item, explained=False)
        else:
            job.refuse(item, said, explained=False)
    others = job.still_open(others)
    again = job.try_send(others) if others else None
    if again is not None:
        _halve(job, others, again)


def _halve(job: Job[Item], items: Sequence[Item], refusal: Refusal) -> None:
    """Split items of which at least one is refused."""
    items = job.still_open(items)
    if len(items) < 2:
        for item in items:
            job.refuse(item, refusal, explained=False)
        return
    left, right = items[: len(items) // 2], items[len(items) // 2 :]
    said_left = job.try_send(left)
    if said_left is not None:
        _halve(job, left, said_left)
    if said_left is None and len(right) > 1 and isinstance(refusal, MoodleRefused):
        # The left half is in, so the culprit is on the right: no need to ask.
        _halve(job, right, refusal)
        return
    said_right = job.try_send(right)
    if said_right is not None:
        _halve(job, right, said_right)


def send_alone(job: Job[Item], item: Item, *, explained: bool) -> None:
    """Send one item, and write down the refusal if there is one."""
    refusal = job.try_send([item])
    if refusal is not None and job.still_open([item]):
        job.refuse(item, refusal, explained=explained)
