"""Who and what in a refused call is to blame, and taking a refused batch apart until every culprit stands alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from moodle_coupling.contract.fields import WIDTHS
from moodle_coupling.errors import MoodleRefused, MoodleRequestTooLarge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from moodle_coupling.errors import MoodleError
    from moodle_coupling.hooks.moodle.records import AccountChange, NewAccount


class Sendable(Protocol):
    """Something with an account to write in it."""

    @property
    def index(self) -> int:
        """The row's position in the plan."""

    @property
    def wire(self) -> NewAccount | AccountChange:
        """What is sent."""


Item = TypeVar("Item", bound=Sendable)

# What a site with debugging says of the culprit (seen on 4.5 and 5.1), and the field it means where the text does not say.
_NAMING: Final = (
    (re.compile(r"Username already exists: (.+)$"), "username"),
    (re.compile(r"Duplicate entry '\d{1,20}-(.{0,400})' for key '\w*mneuse"), "username"),
    (re.compile(r"Email address (?:already exists|is invalid): (.+)$"), "email"),
    (re.compile(r"Invalid authentication type: (.+)$"), "auth"),
    (re.compile(r"Invalid language code: (.+)$"), "lang"),
    (re.compile(r"Invalid theme: (.+)$"), "theme"),
    (re.compile(r'\b(\w+) => [^>]{0,400}the value is "(.{0,400})", the server was expecting', re.DOTALL), None),
)

_TAG: Final = re.compile(r"<[^>]*>")
_EMAIL: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_SUSPECT: Final[dict[str, Callable[[str], bool]]] = {
    "username": lambda value: re.fullmatch(r"[a-z0-9._@-]+", value) is None,
    "email": lambda value: _EMAIL.fullmatch(value) is None,
    "firstname": lambda value: _TAG.search(value) is not None,
    "lastname": lambda value: _TAG.search(value) is not None,
}


def named_culprits(error: MoodleError, items: Sequence[Item]) -> list[Item]:
    """Give the items that Moodle's debuginfo names; none when it is not sent, or names nobody that was sent."""
    for pattern, name in _NAMING:
        found = pattern.search(error.debuginfo)
        if found:
            field, value = (name, found[1]) if name else (found[1], found[2])
            return [item for item in items if str(item.wire.fields.get(field, "")) == value]
    return []


def is_suspect(item: Sendable) -> bool:
    """Tell whether a value looks like one that Moodle refuses.

    It is sent all the same, but alone: Moodle decides (a site may allow more characters in a username).
    """
    for name, value in item.wire.fields.items():
        text = str(value)
        if len(text) > WIDTHS.get(name, len(text)) or "\0" in text:
            return True
        if name in _SUSPECT and _SUSPECT[name](text):
            return True
    return False


Refusal = MoodleRefused | MoodleRequestTooLarge


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

    ``refusal`` is what Moodle said of exactly these items, None when it has not seen these together. One culprit that
    nothing names is found among fifty in eight calls at most, the one for everyone else included.
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
        _bring_in(job, rest, refusal)
    for item in suspects:
        send_alone(job, item, explained=True)


def _bring_in(job: Job[Item], items: Sequence[Item], refusal: Refusal) -> None:
    """Bring in everyone of refused items of whom nothing tells who is to blame."""
    items = job.still_open(items)
    if len(items) > 1 and not isinstance(refusal, MoodleRefused):
        # Too large is the whole, not someone in it: each half may be too large still.
        for half in (items[: len(items) // 2], items[len(items) // 2 :]):
            said = job.try_send(half)
            if said is not None:
                _bring_in(job, half, said)
        return
    _single_out(job, items, refusal)


def _single_out(job: Job[Item], refused: list[Item], refusal: Refusal) -> None:
    """Let every culprit stand alone, asking each time about as many as are as likely to be taken as not.

    What was learnt of how many are bad says how many that is: nearly everyone where there was one, one by one where there
    were many. Nobody is blamed by inference: what refused the others may be over by now.
    """
    odds = Odds()
    odds.learn(len(refused), clean=False)
    others: list[Item] = []
    answer: Refusal | None = refusal
    first = True
    while refused:
        while len(refused) > 1:
            size = odds.split(len(refused), shallow=first)
            left, right = refused[:size], refused[size:]
            answer = job.try_send(left)
            odds.learn(size, clean=answer is None, within=len(refused))
            refused = job.still_open(right if answer is None else left)
            others = others if answer is None else [*right, *others]
        for item in refused:
            if answer is None:
                send_alone(job, item, explained=False)
            else:
                job.refuse(item, answer, explained=False)
        refused = []
        others = job.still_open(others)
        while others and not refused:
            size = len(others) if first else odds.most(len(others))
            first = False
            asked, others = others[:size], others[size:]
            answer = job.try_send(asked)
            odds.learn(size, clean=answer is None)
            refused = job.still_open(asked) if answer is not None else []


_SHARES: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5, 0.8, 0.95)
_WORTH_TRYING: Final = 0.45
"""Odds at which so many are asked about together: tried on batches of 50 with 1 to 50 culprits (docs/decisions/0037)."""


class Odds:
    """How large a share of a refused batch is bad, as far as its calls tell: a probability for each of a few shares.

    Group testing by Bayes: the call worth most is the one that is as likely to be refused as not (the split of most
    entropy; for a known share that is Hwang's binary splitting, 1972).
    """

    def __init__(self) -> None:
        # One bad person is more usual than two, and two than ten.
        self._weights = [1 / (place * place) for place in range(1, len(_SHARES) + 1)]

    def clean(self, size: int, within: int = 0) -> float:
        """Give the probability that nobody of ``size`` is bad; they may be part of ``within`` of whom someone is."""
        found = zip(self._weights, _clean(size, within), strict=True)
        return sum(weight * clean for weight, clean in found) / sum(self._weights)

    def learn(self, size: int, *, clean: bool, within: int = 0) -> None:
        """Take note that so many were taken, or were not."""
        likely = [one if clean else 1 - one for one in _clean(size, within)]
        weights = [weight * one for weight, one in zip(self._weights, likely, strict=True)]
        if sum(weights) > 0:
            self._weights = [weight / sum(weights) for weight in weights]

    def split(self, count: int, *, shallow: bool) -> int:
        """Give how many to ask about among ``count`` (2 or more) of whom someone is bad.

        ``shallow``: in a way that one of them is found in log2(count) calls, rounded up, whatever happens.
        """
        least = max(1, count - 2 ** ((count - 1).bit_length() - 1)) if shallow else 1
        return min(range(least, count), key=lambda size: (abs(self.clean(size, count) - 0.5), size))

    def most(self, count: int) -> int:
        """Give how many of ``count``, of whom nothing is known, to ask about."""
        return next((size for size in range(count, 1, -1) if self.clean(size) >= _WORTH_TRYING), 1)


def _clean(size: int, within: int) -> list[float]:
    """Give, for each share of _SHARES, the probability that nobody of ``size`` is bad (of ``within`` someone is)."""
    found = [(1 - share) ** size for share in _SHARES]
    if not within:
        return found
    everyone = [(1 - share) ** within for share in _SHARES]
    return [(one - all_) / (1 - all_) for one, all_ in zip(found, everyone, strict=True)]


def send_alone(job: Job[Item], item: Item, *, explained: bool) -> None:
    """Send one item, and write down the refusal if there is one."""
    refusal = job.try_send([item])
    if refusal is not None and job.still_open([item]):
        job.refuse(item, refusal, explained=explained)
