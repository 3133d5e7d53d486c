"""What goes wrong on the way, told apart once for all hooks, and the one way in which they try again."""

from __future__ import annotations

import logging
import re
import ssl
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

import requests
import tenacity
from urllib3.exceptions import NameResolutionError, ReadTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

ATTEMPTS: Final = 4
LONGEST_WAIT: Final = 90.0
"""Seconds that all attempts of one request may wait together; longer is the task's own retry."""

_backoff = tenacity.wait_exponential_jitter(initial=1, max=30, jitter=1)


class Cause(Enum):
    """Why a request got no whole answer."""

    CERTIFICATE = "the certificate is not trusted"
    TLS = "the two sides agree on no TLS"
    PROXY = "the proxy does not let us through"
    NAME = "the name is not known"
    SLOW = "no answer in time"
    NO_CONNECTION = "nobody takes the connection"
    BROKE = "the connection broke, or anything else"


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong; ``reason`` is the innermost error in a few words, without addresses and objects."""

    cause: Cause
    reason: str


_Kinds = tuple[type[BaseException], ...]
_SIGNS: Final[tuple[tuple[Cause, _Kinds, _Kinds], ...]] = (
    (Cause.CERTIFICATE, (), (ssl.SSLCertVerificationError,)),
    (Cause.TLS, (), (ssl.SSLError,)),
    (Cause.PROXY, (requests.exceptions.ProxyError,), ()),
    (Cause.NAME, (), (NameResolutionError,)),
    (Cause.SLOW, (requests.ReadTimeout, ReadTimeoutError), ()),
    (Cause.NO_CONNECTION, (requests.ConnectTimeout,), (ConnectionRefusedError,)),
)
"""By what each cause is known: what the error itself is, or what is wrapped in it; the first that fits counts."""


def failure_of(error: BaseException, *, foreign_words: bool = True) -> Failure:
    """Tell what went wrong. Without ``foreign_words`` the reason holds no text of requests, which may repeat an address."""
    chain = list(chain_of(error))
    return Failure(_cause(error, chain), _reason(chain, foreign_words=foreign_words))


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """Go through an exception and everything wrapped in it; urllib3 wraps in ``reason`` and ``args``, not only causes."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        link = todo.pop()
        if isinstance(link, BaseException) and id(link) not in seen:
            seen.add(id(link))
            yield link
            todo += [link.__cause__, link.__context__, getattr(link, "reason", None), *link.args]


def _cause(error: BaseException, chain: list[BaseException]) -> Cause:
    for cause, outermost, anywhere in _SIGNS:
        if isinstance(error, outermost) or any(isinstance(link, anywhere) for link in chain):
            return cause
    return Cause.BROKE


def _reason(chain: list[BaseException], *, foreign_words: bool) -> str:
    plain = [link for link in chain if isinstance(link, OSError) and link.strerror]
    link = plain[-1] if plain else chain[-1]
    words = str(getattr(link, "strerror", None) or (link if foreign_words else ""))
    words = re.sub(r"//[^/@\s]*@", "//", words)
    words = re.sub(r"^<[^>]*>: |\([^()]*object at 0x[^()]*\)|<[^<>]*object at 0x[^<>]*>[,:]?", "", words).strip(
        " ,:'()"
    )
    return f"{type(link).__name__}: {words[:160]}" if words else type(link).__name__


# ---- trying again ----------------------------------------------------------------------------------------------------


def error_of(state: tenacity.RetryCallState) -> BaseException | None:
    """Give the error of the attempt that just ended."""
    return state.outcome.exception() if state.outcome else None


def usual_end(state: tenacity.RetryCallState) -> bool:
    """End after ATTEMPTS, and before the waits together pass LONGEST_WAIT."""
    return state.attempt_number >= ATTEMPTS or state.idle_for + state.upcoming_sleep > LONGEST_WAIT


def retrying(
    repeat: Callable[[BaseException], bool],
    *,
    asked: Callable[[BaseException | None], float],
    sleep: Callable[[float], None],
    end: Callable[[tenacity.RetryCallState], bool] = usual_end,
    longest: float = float("inf"),
) -> tenacity.Retrying:
    """Give what tries a request again: longer waits each time, and never shorter than the other side asks.

    ``repeat`` tells whether an error may pass; ``asked`` gives the seconds that the other side asks us to wait; ``end``
    tells when it is enough; ``longest`` is the longest single wait, whatever is asked. The last error is raised as it is.
    """

    def wait(state: tenacity.RetryCallState) -> float:
        return min(max(float(_backoff(state)), asked(error_of(state))), longest)

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(repeat),
        stop=end,
        wait=wait,
        sleep=sleep,
        before_sleep=_log_retry,
        reraise=True,
    )


def _log_retry(state: tenacity.RetryCallState) -> None:
    log.warning(
        "Attempt %s failed, trying again in %.1f s: %s", state.attempt_number, state.upcoming_sleep, error_of(state)
    )
