"""Asking a Coachview: within the budget, with a token, again where that helps, and never more often than a few times."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from moodle_coupling.errors import (
    BudgetSpent,
    CoachviewError,
    CoachviewTimedOut,
    CoachviewTlsFailed,
    CoachviewUnavailable,
)
from moodle_coupling.hooks.coachview.answers import Listing, read_listing, retry_after, said_by
from moodle_coupling.hooks.coachview.budget import Budget, BudgetLeft, moment, refused_for_now
from moodle_coupling.hooks.coachview.wire import Token, TokenKeeper, read_token, token_form
from moodle_coupling.hooks.wire import ATTEMPTS, Secrets, error_of, retrying, usual_end
from moodle_coupling.metrics import measured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import tenacity

    from moodle_coupling.hooks.coachview.budget import Shared
    from moodle_coupling.hooks.coachview.connection import CoachviewSettings
    from moodle_coupling.hooks.coachview.wire import CoachviewWire
    from moodle_coupling.hooks.wire import RawAnswer

log = logging.getLogger(__name__)

ATTEMPTS_WHEN_LESS_HELPS: Final = 2
"""A page that times out is asked for once more; then it is time to ask for less."""
ORDER: Final = "id"
"""What lists are ordered by: it differs for all rows, and a change of a row does not move it."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to a list endpoint.

    ``patient`` is whether a page that times out is asked for ``ATTEMPTS`` times, ``example_keys`` what tells real rows from
    example rows.
    """

    endpoint: str
    params: Mapping[str, str | int | bool] = field(default_factory=dict)
    patient: bool = True
    example_keys: tuple[str, ...] = ("id",)

    @classmethod
    def page(
        cls,
        endpoint: str,
        skip: int,
        take: int,
        where: str = "",
        *,
        more: Mapping[str, bool] | None = None,
        patient: bool = True,
    ) -> Ask:
        """Ask for one page of a list in the order of ids, and for how many rows there are in all."""
        params: dict[str, str | int | bool] = {"skip": skip, "take": take, "where": where, "orderby": f"{ORDER} asc"}
        return cls(endpoint, {**params, "Count": True, **(more or {})}, patient=patient)

    @property
    def query(self) -> str:
        """The query, every value percent-encoded; true and false in small letters, empty values left out."""
        pairs = [
            (name, str(value).lower() if isinstance(value, bool) else str(value))
            for name, value in self.params.items()
            if value != ""
        ]
        return urlencode(pairs, quote_via=quote, safe="")


class CoachviewCalls(ABC):
    """The asking half of CoachviewHook, which knows nothing of Airflow; several threads may use it.

    ``sleep`` takes seconds; ``now`` gives seconds since 1970.
    """

    def _start(self, sleep: Callable[[float], None], now: Callable[[], float]) -> None:
        self.requests_made = 0
        self._into_reserve = False
        self._sleep = sleep
        self._now = now
        self._keeper: TokenKeeper | None = None
        self._budget: Budget | None = None
        self._making = threading.RLock()

    @property
    @abstractmethod
    def settings(self) -> CoachviewSettings:
        """The connection's settings."""

    @abstractmethod
    def get_conn(self) -> CoachviewWire:
        """Give the pooled session."""

    @abstractmethod
    def _shared(self, kind: str) -> Shared:
        """Give what all processes share, by kind: ``token`` (only encrypted) or ``budget``."""

    @abstractmethod
    def _mask(self, token: str) -> None:
        """Have a token masked in logs."""

    def ask(self, ask: Ask) -> Listing:
        """Ask a question and give the rows of the page.

        What may pass is tried again: an outage, a page that timed out, a refusal (429) that ends within 90 s. Raises a
        CoachviewError.
        """
        return self._retrying(ATTEMPTS if ask.patient else ATTEMPTS_WHEN_LESS_HELPS)(self._ask_once, ask)

    def budget_left(self) -> BudgetLeft:
        """Tell how many requests are left of the day, as far as is known without asking."""
        return self._the_budget().left()

    @contextlib.contextmanager
    def using_reserve(self) -> Iterator[None]:
        """Let what is asked in the block use the reserve of the budget: for checks, and for what a person waits for."""
        before, self._into_reserve = self._into_reserve, True
        try:
            yield
        finally:
            self._into_reserve = before

    # ---- one question ------------------------------------------------------------------------------------------------

    def _ask_once(self, ask: Ask) -> Listing:
        try:
            token = self._the_keeper().current()
            raw = self._get(ask, token)
            if raw.status == 401:
                log.info("%s: the token is refused; asking for another one, once.", ask.endpoint)
                raw = self._get(ask, self._the_keeper().renewed(token))
            return read_listing(raw, ask.endpoint, example_keys=ask.example_keys)
        except CoachviewError as error:
            raise self._clean(error) from None

    def _get(self, ask: Ask, token: str) -> RawAnswer:
        budget = self._the_budget()
        budget.spend(ask.endpoint, into_reserve=self._into_reserve)
        with self._making:
            self.requests_made += 1
        started = time.monotonic()
        # The first part of an address only: what follows may be a person's key.
        with measured("coachview", self.settings.conn_id, ask.endpoint.partition("/")[0], ()) as call:
            raw = self._cleaned(self.get_conn().get(self.settings.url(ask.endpoint), ask.query, token, ask.endpoint))
            if raw.status >= 400:
                call.refused(str(raw.status))
        budget.learn(raw.headers)
        log.debug(
            "%s: HTTP %s, %s bytes in %.2f s", ask.endpoint, raw.status, len(raw.body), time.monotonic() - started
        )
        if raw.status == 429:
            raise self._too_many(raw, ask.endpoint)
        return raw

    def _too_many(self, raw: RawAnswer, endpoint: str) -> BudgetSpent:
        wait, now = retry_after(raw.headers), self._now()
        reset = now + wait if wait is not None else moment(raw.headers.get("x-rate-limit-reset"), now)
        self._the_budget().stop_until(reset)
        return refused_for_now(endpoint, reset, said_by(raw, endpoint))

    # ---- the token ---------------------------------------------------------------------------------------------------

    def token_lifetime(self) -> float:
        """Ask for a token of our own and give its lifetime in seconds; for checks. Raises a CoachviewError."""
        return self._retrying()(self._ask_token).lifetime

    def _ask_token(self) -> Token:
        settings = self.settings
        try:
            raw = self._cleaned(self.get_conn().post_form(settings.token_url, token_form(settings), "The token"))
            if raw.status == 429:
                raise self._too_many(raw, "")
            return read_token(raw, settings)
        except CoachviewError as error:
            raise self._clean(error) from None

    # ---- parts -------------------------------------------------------------------------------------------------------

    def _the_keeper(self) -> TokenKeeper:
        with self._making:
            if self._keeper is None:
                self._keeper = TokenKeeper(
                    self.settings, self._ask_token, self._shared("token"), now=self._now, mask=self._mask
                )
            return self._keeper

    def _the_budget(self) -> Budget:
        with self._making:
            if self._budget is None:
                self._budget = Budget(self.settings, self._shared("budget"), self._now)
            return self._budget

    def _retrying(self, timed_out_tries: int = ATTEMPTS) -> tenacity.Retrying:
        def enough(state: tenacity.RetryCallState) -> bool:
            fewer = isinstance(error_of(state), CoachviewTimedOut) and state.attempt_number >= timed_out_tries
            return fewer or usual_end(state)

        return retrying(_may_repeat, asked=self._asked_to_wait, sleep=self._sleep, end=enough)

    def _asked_to_wait(self, error: BaseException | None) -> float:
        """Seconds Coachview asks us to wait before we try again."""
        if isinstance(error, BudgetSpent) and error.resets is not None:
            return max(0.0, error.resets.timestamp() - self._now())
        return (error.retry_after or 0.0) if isinstance(error, CoachviewUnavailable) else 0.0

    def _secrets(self) -> Secrets:
        """Give what must not show."""
        return Secrets([*(self._keeper.known if self._keeper else ()), self.settings.client_secret])

    def _cleaned(self, raw: RawAnswer) -> RawAnswer:
        """Take token and secret out of an answer, should Coachview repeat them; before its words are cut short."""
        return self._secrets().out_of_answer(raw)

    def _clean(self, error: CoachviewError) -> CoachviewError:
        """Take them out of an error's texts."""
        self._secrets().out_of_error(error)
        return error


def _may_repeat(error: BaseException) -> bool:
    if isinstance(error, CoachviewTlsFailed):
        return False
    # A refusal of our own making (nothing was sent) does not pass by waiting a little.
    return isinstance(error, CoachviewUnavailable) or (
        isinstance(error, BudgetSpent) and error.status == 429 and error.resets is not None
    )
