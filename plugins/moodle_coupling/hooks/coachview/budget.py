"""The requests of a day: counted by us, told by Coachview, and not sent once only the reserve is left.

The count, like the token, is a document that all machines share; see Shared.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from moodle_coupling.errors import BudgetSpent
from moodle_coupling.metrics import REQUESTS_LEFT
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from moodle_coupling.hooks.coachview.connection import CoachviewSettings


log = logging.getLogger(__name__)

DAY: Final = 86_400.0
LOOK_AGAIN: Final = 900.0
"""Seconds after which we try again where Coachview refuses requests and does not say until when."""
ALONE: Final = 60.0
"""Seconds that we count by ourselves after the shared count could not be used, before we look again."""
_NO_EPOCH: Final = 10**8
"""A number below this is no moment of our time, but seconds from now."""
_MILLISECONDS: Final = 10**11

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BudgetLeft:
    """How many requests are left until ``resets`` (UTC; None when neither side knows).

    ``left`` counts the reserve in, ``for_runs`` does not. ``told`` is whether Coachview's answers say what is left; if not it
    is our own count, of all machines together.
    """

    left: int
    for_runs: int
    resets: dt.datetime | None
    told: bool


class Budget:
    """Counts requests and stops them in time; threads, processes and machines share one count, by one clock.

    While the shared count cannot be used, this object goes on from what it last saw, with a warning, and adds what it spent
    as soon as the count is there again. It never goes beyond the budget by what it knows.
    """

    def __init__(self, settings: CoachviewSettings, shared: Shared, now: Callable[[], float]) -> None:
        self._settings = settings
        self._shared = shared
        self._now = now
        self._lock = threading.Lock()
        self._last: dict[str, Any] = {}
        self._unbooked = 0
        self._alone_until = 0.0

    def spend(self, endpoint: str, *, into_reserve: bool) -> None:
        """Count one request that is about to be sent.

        Raises BudgetSpent when there is none left, or only the reserve and this may not go ``into_reserve``.
        """

        def spend(document: dict[str, Any], _now: float) -> None:
            left = _left(document, self._settings.daily_budget)
            if left <= (0 if into_reserve else self._settings.budget_reserve):
                raise self._spent(endpoint, left, document)
            _book(document, 1)

        self._change(spend)

    def learn(self, headers: Mapping[str, str]) -> None:
        """Remember what an answer's headers say of the limit (names in lower case)."""
        remaining, said = _whole(headers.get("x-rate-limit-remaining")), headers.get("x-rate-limit-reset")
        if remaining is None and moment(said, self._now()) is None:
            return

        def learn(document: dict[str, Any], now: float) -> None:
            reset = moment(said, now)
            document["remaining"] = remaining
            document["reset"] = reset
            if reset is not None and reset > now:
                # The count ends with Coachview's day, also where each answer moves that day's end.
                document["until"] = min(document["until"], reset)

        self._change(learn)

    def stop_until(self, reset: float | None) -> None:
        """Remember that Coachview refuses requests, until ``reset`` (seconds since 1970) or, not knowing that, a while."""
        seconds = LOOK_AGAIN if reset is None else reset - self._now()

        def stop(document: dict[str, Any], now: float) -> None:
            document["remaining"], document["reset"] = 0, now + seconds

        self._change(stop)

    def left(self) -> BudgetLeft:
        """Tell what is left, without a request."""

        def read(document: dict[str, Any], _now: float) -> BudgetLeft:
            left = max(0, _left(document, self._settings.daily_budget))
            return BudgetLeft(
                left,
                max(0, left - self._settings.budget_reserve),
                _utc(document.get("reset") or document.get("until")),
                document.get("remaining") is not None,
            )

        return self._change(read)

    def _change(self, change: Callable[[dict[str, Any], float], T]) -> T:
        with self._lock:
            if self._now() >= self._alone_until:
                try:
                    return self._change_shared(change)
                except StateAway as error:
                    log.warning(
                        "Coachview's requests are not counted together with other tasks for %.0f s, but by this task alone: %s",
                        ALONE,
                        error,
                    )
                    self._alone_until = self._now() + ALONE
            return self._change_alone(change)

    def _change_shared(self, change: Callable[[dict[str, Any], float], T]) -> T:
        with self._shared.held() as held:
            now = self._now() if held.now is None else held.now
            _begin_anew(held.document, now)
            _book(held.document, self._unbooked)
            result = change(held.document, now)
            last = dict(held.document)
        REQUESTS_LEFT.set(max(0, _left(last, self._settings.daily_budget)), connection=self._settings.conn_id)
        self._last, self._unbooked = last, 0
        return result

    def _change_alone(self, change: Callable[[dict[str, Any], float], T]) -> T:
        _begin_anew(self._last, self._now())
        spent = self._last["used"]
        result = change(self._last, self._now())
        self._unbooked += self._last["used"] - spent
        return result

    def _spent(self, endpoint: str, left: int, document: Mapping[str, Any]) -> BudgetSpent:
        resets = _utc(document.get("reset") or document.get("until"))
        said = Sentence(
            "coachview.budget.only_reserve" if left > 0 else "coachview.budget.nothing",
            budget=self._settings.daily_budget,
            reserve=self._settings.budget_reserve,
            left=max(0, left),
            when=_said(resets),
            connection=self._settings.conn_id,
        )
        return BudgetSpent(said, endpoint=endpoint, resets=resets)


def refused_for_now(endpoint: str, reset: float | None, said: str) -> BudgetSpent:
    """Give the error for an answer 429."""
    resets = _utc(reset)
    return BudgetSpent(
        Sentence(
            "coachview.budget.refused", what=endpoint or Sentence("coachview.the_token"), said=said, when=_said(resets)
        ),
        endpoint=endpoint,
        status=429,
        resets=resets,
    )


def _begin_anew(document: dict[str, Any], now: float) -> None:
    """Forget a day that is over; ours is 24 hours from its first request."""
    for end in ("reset", "until"):
        if (document.get(end) or 0.0) > now + DAY:  # no day is longer, whatever clock or header said so
            document[end] = now + DAY
    if now >= document.get("until", 0.0):
        document["used"], document["until"] = 0, now + DAY
        if document.get("reset") is None:
            document["remaining"] = None
    if document.get("reset") is not None and now >= document["reset"]:
        document["remaining"], document["reset"] = None, None


def _book(document: dict[str, Any], requests: int) -> None:
    document["used"] = int(document.get("used", 0)) + requests
    if document.get("remaining") is not None:
        document["remaining"] -= requests


def _left(document: Mapping[str, Any], budget: int) -> int:
    counted = budget - int(document.get("used", 0))
    told = document.get("remaining")
    return counted if told is None else min(counted, int(told))


def _said(resets: dt.datetime | None) -> Sentence:
    if resets is None:
        return Sentence("coachview.reset.unknown")
    return Sentence("coachview.reset.at", at=f"{resets:%Y-%m-%d %H:%M}")


def _utc(moment_: float | None) -> dt.datetime | None:
    return None if moment_ is None else dt.datetime.fromtimestamp(moment_, tz=dt.UTC)


def _whole(value: str | None) -> int | None:
    return max(0, int(value)) if value is not None and re.fullmatch(r"\s*-?\d{1,9}\s*", value) else None


def moment(value: str | None, now: float) -> float | None:
    """Give the moment (seconds since 1970) that a header names, None when it cannot be read.

    Which form Coachview uses is not known: seconds or milliseconds since 1970, seconds from now, ISO 8601 and an HTTP date
    are read. A time without a zone counts as UTC: for a Dutch server that is late, never early. A moment more than a day
    ahead counts as a day ahead: limits are per day, and nothing that a header says may stop us for years.
    """
    found = _moment((value or "").strip(), now)
    return None if found is None else min(found, now + DAY)


def _moment(text: str, now: float) -> float | None:
    if re.fullmatch(r"[0-9]{1,40}(\.[0-9]{1,40})?", text):
        number = float(text)
        if number < _NO_EPOCH:
            return now + number
        return number / 1000 if number > _MILLISECONDS else number
    for parse in (_iso, parsedate_to_datetime):
        try:
            found = parse(text)
            return found.replace(tzinfo=found.tzinfo or dt.UTC).timestamp()
        except (ValueError, TypeError, OverflowError):
            continue
    if text:
        log.warning("A header says when requests are allowed again in a form we do not know: %.40r", text)
    return None


def _iso(text: str) -> dt.datetime:
    # .NET writes seven decimals, Python reads six.
    return dt.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))


class StateAway(Exception):
    """The place where documents are shared cannot be used now; its text says why. Nothing was changed there."""


class Seal(Protocol):
    """Encrypts what is written; Airflow's Fernet key is one."""

    def encrypt(self, msg: bytes) -> bytes:
        """Make bytes unreadable."""

    def decrypt(self, msg: bytes) -> bytes:
        """Make them readable again; raises whatever the key's library does."""


@dataclass(slots=True)
class Held:
    """A document (JSON) while nobody else can change it; ``now`` is by the clock of the place, None where it has none."""

    document: dict[str, Any] = field(default_factory=dict)
    now: float | None = None


class Shared(Protocol):
    """One document. No request is ever sent while it is held: a hanging server would stop all machines."""

    def held(self) -> AbstractContextManager[Held]:
        """Give the document to look at and to change, kept when the block ends without an error. Raises StateAway."""


Sharing = Callable[[str], Shared]
"""Gives the document of a key; the ledger's are shared by all machines."""


class OwnState:
    """A document of this object alone, shared by its threads."""

    def __init__(self) -> None:
        self._held = Held()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def held(self) -> Iterator[Held]:
        """Give the document; other threads wait until the block ends."""
        with self._lock:
            yield self._held


class SealedState:
    """A document that is encrypted where it is shared. What cannot be decrypted counts as empty."""

    def __init__(self, shared: Shared, seal: Seal) -> None:
        self._shared = shared
        self._seal = seal

    @contextlib.contextmanager
    def held(self) -> Iterator[Held]:
        """Give the document in clear. Raises StateAway."""
        with self._shared.held() as sealed:
            opened = Held(self._opened(sealed.document), sealed.now)
            was = json.dumps(opened.document)
            yield opened
            now = json.dumps(opened.document)
            if now != was:
                sealed.document.clear()
                sealed.document["sealed"] = self._seal.encrypt(now.encode()).decode("ascii")

    def _opened(self, document: dict[str, Any]) -> dict[str, Any]:
        try:
            found = json.loads(self._seal.decrypt(str(document["sealed"]).encode()))
        except Exception:  # noqa: BLE001 - another key, a broken text, nothing there: whatever it is, begin anew
            return {}
        return found if isinstance(found, dict) else {}


def state_key(kind: str, *of: str) -> str:
    """Give the key of the document of this kind for these values, none of which can be read back from it."""
    return f"coachview {kind} {hashlib.sha256(chr(0).join(of).encode()).hexdigest()[:24]}"


def airflow_seal() -> Seal | None:
    """Give Airflow's Fernet key, None where this process has none: then nothing secret may be written."""
    from moodle_coupling.airflow_internals import fernet

    try:
        key = fernet()
    except Exception:  # noqa: BLE001 - a key that is missing or no key at all is reported by Airflow in many ways
        return None
    return key if key.is_encrypted else None
