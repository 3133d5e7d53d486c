"""Calling a Moodle: forms that surely fit, what may be repeated, and errors made as sharp as they can be."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.errors import (
    AnswerLost,
    MoodleDenied,
    MoodleError,
    MoodleFunctionMissing,
    MoodleRecordRefused,
    MoodleRefused,
    MoodleRequestTooLarge,
    MoodleTlsFailed,
    MoodleTokenInvalid,
    MoodleUnavailable,
)
from moodle_coupling.hooks.moodle import records
from moodle_coupling.hooks.moodle.access_records import MAY_BE_REPEATED
from moodle_coupling.hooks.moodle.answers import SITE_INFO, UNKNOWN_FUNCTION, in_call, is_read, read_answer
from moodle_coupling.hooks.moodle.records import CONTROL_VARIABLES, GET_USERS_BY_FIELD, encode, form_of
from moodle_coupling.hooks.wire import ATTEMPTS, Secrets, retrying, usual_end
from moodle_coupling.metrics import measured
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import tenacity

    from moodle_coupling.hooks.moodle.connection import MoodleSettings
    from moodle_coupling.hooks.moodle.records import SiteInfo
    from moodle_coupling.hooks.moodle.wire import MoodleWire
    from moodle_coupling.hooks.wire import RawAnswer

log = logging.getLogger(__name__)

SURE_VARIABLES: Final = 1000
"""Form variables every PHP takes unless someone lowered its default; a setting above this is proved before use."""
OUTAGE: Final = 60.0
"""Seconds that a patient call goes on for, waits and answers together, before it counts its attempts."""
LOOKS_EVERY: Final = 15.0
"""The longest a patient call waits between two attempts, whatever the site asks: Moodle's maintenance page always says 300 s,
also when it is over in ten."""


class MoodleCalls(ABC):
    """The calling half of MoodleHook, which knows nothing of Airflow; several threads may use it.

    ``notice`` is called with each attempt's overload, time-out or lost answer, in the thread that met it; ``out`` whenever a request
    is out and its answer is waited for.
    """

    def _start(self, guard: Callable[[], None], sleep: Callable[[float], None], *, patient: bool = False) -> None:
        self._patient = patient
        self.notice: Callable[[MoodleError], None] = _ignore
        self.out: Callable[[], None] | None = None
        self.requests_made = 0
        self._guard = guard
        self._sleep = sleep
        self._functions: frozenset[str] | None = None
        self._userid: int | None = None
        self._proved = SURE_VARIABLES
        self._counting = threading.Lock()
        self._proving = threading.Lock()

    @property
    @abstractmethod
    def settings(self) -> MoodleSettings:
        """The environment's settings."""

    @abstractmethod
    def get_conn(self) -> MoodleWire:
        """Give the pooled session to the site."""

    def call(self, function: str, /, **params: Any) -> Any:
        """Call a web service function and give its data; None is success without content.

        Parameters are nested lists and mappings. A site that is away is tried again, as is a read whose answer was
        lost, and a write that changes nothing the second time (MAY_BE_REPEATED); any other write whose answer was lost is not: read
        back first. A patient hook outlasts an outage of half a minute, and
        sees within seconds that it is over. The guard is asked before each attempt. Raises a MoodleError.
        """
        again = retrying(
            lambda error: _may_repeat(error, function),
            asked=_asked,
            sleep=self._sleep,
            end=_outlasted if self._patient else usual_end,
            longest=LOOKS_EVERY if self._patient else float("inf"),
        )
        return again(self._attempt, function, **params)

    def _attempt(self, function: str, /, **params: Any) -> Any:
        try:
            return self.call_once(function, **params)
        except (MoodleUnavailable, AnswerLost) as error:
            self.notice(error)
            raise

    def call_once(self, function: str, /, **params: Any) -> Any:
        """Call a web service function without trying again."""
        form = self._form(function, params)
        try:
            return self._send_whole(function, form)
        except MoodleError as error:
            if error.errorcode in UNKNOWN_FUNCTION:
                raise self._sharper(error, function) from None
            raise

    def takes_variables(self, count: int) -> bool:
        """Ask the site whether a form of ``count`` variables arrives whole, by a look-up in which the last value is found.

        Nothing is written; the service user always finds itself by its id. Raises a MoodleError.
        """
        own = self._own_id()
        # Ids far beyond any site's, so that nobody else is found.
        values = [*range(2_000_000_000, 2_000_000_000 + count - CONTROL_VARIABLES - 2), own]
        form = form_of(self.settings.token, GET_USERS_BY_FIELD, {"field": "id", "values": values})
        try:
            answer = self._send_whole(GET_USERS_BY_FIELD, form)
        except MoodleRequestTooLarge:
            return False
        return any(one.id == own for one in records.accounts_in(answer, GET_USERS_BY_FIELD))

    def _own_id(self) -> int:
        if self._userid is None:
            self.site_info()
        return self._userid or 0

    def _form(self, function: str, params: dict[str, Any]) -> list[tuple[str, str]]:
        form = form_of(self.settings.token, function, params)
        limit = self.settings.max_input_vars
        if len(form) > limit:
            raise MoodleRequestTooLarge(
                in_call(
                    function,
                    Sentence("moodle.form_too_large", n=len(form), connection=self.settings.conn_id, limit=limit),
                ),
                function=function,
            )
        if len(form) > self._proved:
            self._prove(function, limit)
        return form

    def _prove(self, function: str, limit: int) -> None:
        """Make sure, once, that the site takes as many variables as the connection says; half-read forms do harm."""
        with self._proving:
            if self._proved >= limit:
                return
            if not self.takes_variables(limit):
                said = Sentence("moodle.takes_fewer", limit=limit, connection=self.settings.conn_id)
                raise MoodleRequestTooLarge(in_call(function, said), function=function)
            self._proved = limit

    def _send_whole(self, function: str, form: Sequence[tuple[str, str]]) -> Any:
        """Send a form, and tell a token that Moodle does not know from one that was cut off with the end of the form."""
        try:
            return self._send(function, encode(form))
        except MoodleTokenInvalid as error:
            if len(form) == CONTROL_VARIABLES or not self._token_works():
                raise
            said = Sentence("moodle.token_cut_off", n=len(form), connection=self.settings.conn_id)
            raise MoodleRequestTooLarge(in_call(function, said), function=function, errorcode=error.errorcode) from None

    def _token_works(self) -> bool:
        try:
            self._send(SITE_INFO, encode(form_of(self.settings.token, SITE_INFO, {})))
        except MoodleTokenInvalid:
            return False
        return True

    def _send(self, function: str, body: bytes) -> Any:
        with measured("moodle", self.settings.conn_id, function, (MoodleRefused, MoodleDenied)):
            return self._sent(function, body)

    def _sent(self, function: str, body: bytes) -> Any:
        try:
            raw = self.post(body, function)
            with contextlib.suppress(MoodleError):
                return self._understood(raw, function, len(body))
            # Read once more without the token: texts are cut short, and in a text that was cut it would not be found.
            return self._understood(self._secrets().out_of_answer(raw), function, len(body))
        except MoodleError as error:
            self._secrets().out_of_error(error)
            raise error from None

    def _understood(self, raw: RawAnswer, function: str, sent_bytes: int) -> Any:
        return read_answer(
            raw.status, raw.headers, raw.body, function, sent_bytes=sent_bytes, functions=self._functions
        )

    def _secrets(self) -> Secrets:
        return Secrets([self.settings.token])

    def post(self, body: bytes, function: str, **other: str) -> RawAnswer:
        """Post one body and give the raw answer; every request of the hook goes through here, and past the guard."""
        self._guard()
        wire = self.get_conn()
        with self._counting:
            self.requests_made += 1
        started = time.monotonic()
        raw = wire.post(body, function, out=self.out, **other)
        log.debug(
            "%s: %s bytes sent, HTTP %s, %s bytes back in %.2f s",
            function,
            len(body),
            raw.status,
            len(raw.body),
            time.monotonic() - started,
        )
        return raw

    def _sharper(self, error: MoodleError, function: str) -> MoodleError:
        """Ask the site about itself to tell apart what Moodle lumps together as an access exception."""
        try:
            if function == SITE_INFO:
                self._send(SITE_INFO, encode(form_of(self.settings.token, SITE_INFO, {})))
            elif self._functions is None:
                self.site_info()
        except MoodleTokenInvalid as second:
            # Moodle deletes an expired token at its first use after that.
            return MoodleTokenInvalid(
                in_call(function, Sentence("moodle.token_expired")),
                function=function,
                errorcode=second.errorcode,
            )
        except MoodleError as second:
            return error if isinstance(error, MoodleRecordRefused) else second
        if function == SITE_INFO or function in (self._functions or ()):
            return error
        return MoodleFunctionMissing(
            in_call(function, Sentence("moodle.function_missing")),
            function=function,
            errorcode=error.errorcode,
        )

    def site_info(self, *, patient: bool = True) -> SiteInfo:
        """Ask the site about itself and the token's service; not ``patient`` means only once. Raises a MoodleError."""
        answer = self.call(SITE_INFO) if patient else self.call_once(SITE_INFO)
        info = records.site_info(answer, SITE_INFO)
        self._functions, self._userid = info.functions, info.userid
        return info


def _ignore(_error: MoodleError) -> None:
    """Take no notice of what goes wrong in an attempt."""


# ---- trying again ----------------------------------------------------------------------------------------------------


def _may_repeat(error: BaseException, function: str) -> bool:
    if isinstance(error, MoodleTlsFailed):
        return False
    harmless = is_read(function) or function in MAY_BE_REPEATED
    return isinstance(error, MoodleUnavailable) or (isinstance(error, AnswerLost) and harmless)


def _asked(error: BaseException | None) -> float:
    """Seconds that the site asks us to wait."""
    return (error.retry_after or 0.0) if isinstance(error, MoodleUnavailable) else 0.0


def _outlasted(state: tenacity.RetryCallState) -> bool:
    """Tell whether a patient call has gone on for long enough; where each attempt takes long, it makes the usual number."""
    if state.attempt_number >= ATTEMPTS and (state.seconds_since_start or 0.0) > OUTAGE:
        return True
    return state.idle_for + state.upcoming_sleep > OUTAGE
