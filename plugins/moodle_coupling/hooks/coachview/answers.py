"""What Coachview answered, as rows or as the error the caller must act on.

The form of Coachview's error bodies is not known: the verdict is by HTTP status, and words that are found in a body are
only repeated.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from moodle_coupling.errors import (
    CoachviewAnswerUnreadable,
    CoachviewError,
    CoachviewRefused,
    CoachviewScopeMissing,
    CoachviewTimedOut,
    CoachviewTokenRefused,
    CoachviewUnavailable,
    NotACoachview,
)
from moodle_coupling.hooks.coachview.budget import moment
from moodle_coupling.hooks.moodle.answers import no_number, plain_text, title_of
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from moodle_coupling.hooks.wire import RawAnswer

_THE_TOKEN: Final = Sentence("coachview.the_token")
_KINDS: Final[dict[type, Sentence | str]] = {
    str: Sentence("coachview.shape.text"),
    bool: Sentence("coachview.shape.bool"),
    type(None): "null",
}


@dataclass(frozen=True, slots=True)
class Listing:
    """The rows of one page as they came, and how many there are in all (``RowCount``; None when it was not told)."""

    rows: list[dict[str, Any]]
    count: int | None


def scope_of(endpoint: str) -> str:
    """Give the scope that reading an endpoint takes."""
    return f"{endpoint.partition('/')[0]}.Lezen"


def read_listing(raw: RawAnswer, endpoint: str, *, example_keys: Sequence[str] = ("id",)) -> Listing:
    """Turn an answer into rows.

    ``example_keys`` are the keys whose values cannot all be the same on a page of real rows. Raises CoachviewScopeMissing when
    they are: without the scope Coachview may answer with example rows instead of an error. Raises a CoachviewError for
    everything else that is no list of rows.
    """
    if raw.status != 200:
        raise by_status(raw, endpoint)
    data = json_of(raw, endpoint)
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        raise CoachviewAnswerUnreadable(
            Sentence(
                "coachview.answer.no_list", what=endpoint or _THE_TOKEN, shape=_shape(data), said=said_by(raw, endpoint)
            ),
            endpoint=endpoint,
            status=200,
        )
    if _are_examples(data, example_keys):
        raise CoachviewScopeMissing(
            Sentence("coachview.answer.examples", what=endpoint, n=len(data), scope=scope_of(endpoint)),
            scope=scope_of(endpoint),
            endpoint=endpoint,
            status=200,
        )
    return Listing(data, _row_count(raw.headers.get("rowcount"), endpoint))


def _are_examples(rows: list[dict[str, Any]], keys: Sequence[str]) -> bool:
    if len(rows) < 2:
        return False
    seen = {tuple(str(value) for key, value in sorted(row.items()) if key.lower() in keys) for row in rows}
    return len(seen) == 1 and bool(seen.pop())


def _row_count(value: str | None, endpoint: str) -> int | None:
    if value is None:
        return None
    if not re.fullmatch(r"\s*\d{1,9}\s*", value):
        raise CoachviewAnswerUnreadable(
            Sentence("coachview.answer.row_count", what=endpoint, value=repr(value[:40])), endpoint=endpoint, status=200
        )
    return int(value)


def json_of(raw: RawAnswer, endpoint: str) -> Any:
    """Read a body as JSON.

    Raises CoachviewUnavailable for an answer that broke off, and for a page instead of a list: where a token was given a
    moment before, that is an outage. A page instead of the token is NotACoachview.
    """
    text = raw.body.decode("utf-8-sig", errors="replace").strip()
    with contextlib.suppress(ValueError):
        return parsed(text, endpoint)
    is_page = text.startswith("<") or not text or "html" in raw.headers.get("content-type", "")
    if not is_page:
        raise CoachviewUnavailable(
            Sentence("coachview.answer.no_json", what=endpoint or _THE_TOKEN, n=len(text)),
            endpoint=endpoint,
            status=raw.status,
        )
    kind = CoachviewUnavailable if endpoint else NotACoachview
    raise kind(
        Sentence(
            "coachview.answer.page" if text else "coachview.answer.empty",
            what=endpoint or _THE_TOKEN,
            said=said_by(raw, endpoint),
        ),
        endpoint=endpoint,
        status=raw.status,
    )


def parsed(text: str, endpoint: str) -> Any:
    """Read a text as JSON; raises ValueError where it is none, CoachviewAnswerUnreadable where it is nested without end."""
    try:
        return json.loads(text, parse_constant=no_number)
    except RecursionError:
        raise CoachviewAnswerUnreadable(
            Sentence("coachview.answer.too_deep", what=endpoint or _THE_TOKEN), endpoint=endpoint
        ) from None


def by_status(raw: RawAnswer, endpoint: str) -> CoachviewError:
    """Give the error for an answer that is not 200; 429 is the budget's."""
    status, what = raw.status, endpoint or _THE_TOKEN
    said = said_by(raw, endpoint)
    if status in (500, 504):
        return CoachviewTimedOut(
            Sentence("coachview.status.timed_out", what=what, status=status, said=said),
            endpoint=endpoint,
            status=status,
            retry_after=retry_after(raw.headers),
        )
    if status > 500 or status == 408:
        return CoachviewUnavailable(
            Sentence("coachview.status.unavailable", what=what, status=status, said=said),
            endpoint=endpoint,
            status=status,
            retry_after=retry_after(raw.headers),
        )
    return _denied(raw, endpoint, what, said) or CoachviewRefused(
        Sentence("coachview.status.refused", what=what, status=status, said=said),
        endpoint=endpoint,
        status=status,
    )


def _denied(raw: RawAnswer, endpoint: str, what: Sentence | str, said: str) -> CoachviewError | None:
    status = raw.status
    if status == 401:
        return CoachviewTokenRefused(
            Sentence("coachview.status.token_refused", what=what, said=said),
            endpoint=endpoint,
            status=status,
        )
    if status == 403:
        scope = scope_of(endpoint)
        return CoachviewScopeMissing(
            Sentence("coachview.status.forbidden", what=what, said=said, scope=scope),
            scope=scope,
            endpoint=endpoint,
            status=status,
        )
    if 200 <= status < 400 or status in (404, 405, 407, 410):
        return NotACoachview(
            _elsewhere(raw, what, said),
            endpoint=endpoint,
            status=status,
        )
    return None


def _elsewhere(raw: RawAnswer, what: Sentence | str, said: str) -> Sentence:
    """Say that something else answers; of where a redirect leads to, which is never followed, only the host."""
    found = re.match(r"https?://(?:[^/@\s]*@)?([\w.:-]+)", raw.headers.get("location", ""))
    if found:
        return Sentence("coachview.status.redirected", what=what, status=raw.status, target=found[1], said=said)
    return Sentence("coachview.status.elsewhere", what=what, status=raw.status, said=said)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Give the seconds of a Retry-After header, which holds seconds or a date; None when there is none."""
    now = time.time()
    until = moment(headers.get("retry-after"), now)
    return None if until is None else max(0.0, until - now)


_WORDS: Final = ("error_description", "detail", "message", "title", "error", "melding", "foutmelding")


def said_by(raw: RawAnswer, endpoint: str) -> str:
    """Give what a body says of itself in words, as ``: 'words'``; '' when it says nothing.

    The words of the place that gives tokens (no ``endpoint``) are not repeated: the request it may quote holds the secret.
    """
    if not endpoint:
        return ""
    text = raw.body[:20_000].decode("utf-8", errors="replace").strip()
    words = plain_text(_from_json(text) if text.startswith("{") else title_of(text), 160)
    return f": '{words}'" if words else ""


def _from_json(text: str) -> str:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    lower = {str(key).lower(): value for key, value in data.items()}
    return next((value for key in _WORDS if isinstance(value := lower.get(key), str) and value.strip()), "")


def _shape(data: object) -> Sentence | str:
    """Name what came, by its kind and keys; never by its values, which may be of a person."""
    if isinstance(data, list):
        return Sentence("coachview.shape.mixed")
    if isinstance(data, dict):
        keys = ", ".join(str(key)[:40] for key in list(data)[:10])
        return Sentence("coachview.shape.object", keys=keys) if keys else Sentence("coachview.shape.empty_object")
    return _KINDS.get(type(data)) or Sentence("coachview.shape.number")
