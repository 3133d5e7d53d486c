"""The error tree: one class per thing the caller should do differently.

What to do with an error is decided by its place in the tree, never by its text:

* :class:`InputError`: a setting or a file is wrong; mend it and run again. Never retried.
* :class:`SourceUnavailable`: the source of persons did not give everything now; the same read may go through later.
* :class:`MoodleDenied`: Moodle answered and says no to *us* (token, rights, service); mend the site or connection.
* :class:`MoodleRefused`: Moodle answered and says no to *what was sent*; some record in it is the culprit.
* :class:`MoodleUnavailable`: nothing was done; the same call may go through later. Safe to repeat.
* :class:`AnswerLost`: the call may or may not have been carried out; read back before writing again.
* :class:`CoachviewDenied`: Coachview says no to *us* (client, scope, host); mend the connection or the client.
* :class:`CoachviewRefused`: Coachview does not take what was asked, or answers in another shape than is known.
* :class:`CoachviewUnavailable`: the same request may go through later; requests to Coachview only read.
* :class:`CoachviewIncomplete`: not everyone came; read again from the start, and never take what came for the whole.
* :class:`BudgetSpent`: Coachview's requests of the day are used up; go on after ``resets``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from moodle_coupling.words.sentence import Sentence, text

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path


class CouplingError(Exception):
    """Anything this project raises on purpose; ``said`` is what to tell people, ``str()`` its English."""

    def __init__(self, said: Sentence | str = "") -> None:
        super().__init__(said)

    @property
    def said(self) -> Sentence:
        """What is the matter and what to do, in any language."""
        return self.args[0] if isinstance(self.args[0], Sentence) else text(str(self.args[0]))


class InputError(CouplingError):
    """A setting, mapping file or source is wrong; nothing was sent to Moodle."""


class MappingError(InputError):
    """A mapping file does not say what it must; the text names file, line and key. ``path`` is the file, None where there is none."""

    path: Path | None = None


class SourceError(InputError):
    """The source of persons cannot be read as a whole; the text names file, line and column where there is one."""


class SourceUnavailable(CouplingError):
    """The source of persons cannot be reached, broke off, or is being written just now; reading it again may do."""


class SettingError(InputError):
    """An Airflow connection, variable or option is missing or wrong; the text names it."""


class RunFailed(CouplingError):
    """The run did what it could, and more went wrong than the mapping tolerates; the text is its report."""


class EnvironmentBusy(CouplingError):
    """Another run holds the environment; the text says which, and since when."""


class Quarantined(CouplingError):
    """The environment is in quarantine and nobody asked for this run; the text says until when, and why."""


class NotApproved(CouplingError):
    """The plan is not the one that was approved; nothing was written."""


class OtherPlanAnswered(CouplingError):
    """An answer came that does not say it is about this plan, such as from a page opened before the plan was made anew."""


class CouplingPaused(CouplingError):
    """The environment is paused: no request of any kind goes to that Moodle.

    Attributes: ``environment``, and ``reason``: why, by whom and since when.
    """

    def __init__(self, environment: str, reason: Sentence | str) -> None:
        super().__init__(Sentence("environment.paused", environment=environment, reason=reason))
        self.environment = environment
        self.reason = reason


class TooManyFailures(CouplingError):
    """So many persons went wrong that the load stopped itself: most likely it is not the persons but the site or a setting.

    Attributes: ``failed`` of ``attempted`` persons that were really sent or tried.
    """

    def __init__(self, message: Sentence | str, *, failed: int, attempted: int) -> None:
        super().__init__(message)
        self.failed = failed
        self.attempted = attempted


class ValueNotTaken(TooManyFailures):
    """Moodle does not take a value that so many persons share that the load stopped itself; ``field`` is its name."""

    def __init__(self, message: Sentence | str, *, field: str, failed: int, attempted: int) -> None:
        super().__init__(message, failed=failed, attempted=attempted)
        self.field = field


class MoodleError(CouplingError):
    """A call to Moodle did not give data.

    Attributes: ``function`` (the web service function, '' if none), ``errorcode`` (Moodle's own, '' if none),
    ``debuginfo`` (only sites with debugging send it). None of them ever holds the token.
    """

    def __init__(
        self, message: Sentence | str, *, function: str = "", errorcode: str = "", debuginfo: str = ""
    ) -> None:
        super().__init__(message)
        self.function = function
        self.errorcode = errorcode
        self.debuginfo = debuginfo


class MoodleDenied(MoodleError):
    """Moodle says no to us, whatever we send; retrying does not help."""


class MoodleTokenInvalid(MoodleDenied):
    """The token is unknown, expired, or bound to another IP address."""


class MoodleAccessDenied(MoodleDenied):
    """Web services or REST are off, the service is disabled, or a capability is missing."""


class MoodleFunctionMissing(MoodleDenied):
    """The function is not in the token's service, or this Moodle does not know it."""


class MoodleServiceUserBlocked(MoodleDenied):
    """The service user itself must do something first (password, policy, profile), or is suspended."""


class NotAMoodle(MoodleDenied):
    """Something answered, but not a Moodle web service (an HTML page, another server, a redirect)."""


class MoodleAnswerTooLarge(MoodleDenied):
    """The answer to a read is larger than the connection's ``max_answer_mb``; none of it was kept."""


class MoodleRefused(MoodleError):
    """Moodle says no to what was sent; nothing of a create call was done (it is one transaction)."""


class MoodleParameterRefused(MoodleRefused):
    """``invalidparameter``: some value in the call does not pass; a default site does not say which."""


class MoodleRecordRefused(MoodleRefused):
    """Any other refusal of what was sent, such as ``dmlwriteexception`` for a value that is too long."""


class MoodleAnswerUnreadable(MoodleRefused):
    """``invalidresponse``: Moodle's own answer failed its check; in a read, one odd account poisons all of it.

    A write may have been carried out nevertheless (seen with update and a weak password).
    """


class MoodleUnavailable(MoodleError):
    """Nothing was done; try again later. ``retry_after`` is in seconds, None when the server gave none."""

    def __init__(
        self,
        message: Sentence | str,
        *,
        function: str = "",
        errorcode: str = "",
        debuginfo: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, function=function, errorcode=errorcode, debuginfo=debuginfo)
        self.retry_after = retry_after


class MoodleMaintenance(MoodleUnavailable):
    """The site is under maintenance or is being upgraded."""


class MoodleOverloaded(MoodleUnavailable):
    """The site is too busy, or its database is away or read-only (429, 503, ``dbconnectionfailed``)."""


class MoodleUnreachable(MoodleUnavailable):
    """No connection could be made, so nothing was sent: name, port, TLS or proxy."""


class MoodleTlsFailed(MoodleUnreachable):
    """The certificate is not trusted or the two sides agree on no TLS; waiting does not mend that."""


class MoodleRequestTooLarge(MoodleError):
    """The form was larger than the server takes (413, or the token was thrown away with the body); send less."""


class AnswerLost(MoodleError):
    """The request went out and no whole answer came back: it may or may not have been carried out."""


class CoachviewError(CouplingError):
    """A request to Coachview did not give data.

    Attributes: ``endpoint`` (such as ``Personen``, '' if none) and ``status`` (HTTP, 0 if none came).
    """

    def __init__(self, message: Sentence | str, *, endpoint: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.endpoint = endpoint
        self.status = status


class CoachviewDenied(CoachviewError):
    """Coachview says no to us, whatever we ask; retrying does not help."""


class CoachviewTokenRefused(CoachviewDenied):
    """The client id or secret is wrong, or a token just given is refused."""


class CoachviewScopeMissing(CoachviewDenied):
    """The client lacks a scope, or the rights that go with it. ``scope`` is its name, '' if Coachview does not say."""

    def __init__(self, message: Sentence | str, *, scope: str = "", endpoint: str = "", status: int = 0) -> None:
        super().__init__(message, endpoint=endpoint, status=status)
        self.scope = scope


class NotACoachview(CoachviewDenied):
    """Something answered, but not Coachview's API (an HTML page, another server, a redirect)."""


class CoachviewAnswerTooLarge(CoachviewDenied):
    """The answer is larger than the connection's ``max_answer_mb``; none of it was kept."""


class CoachviewRefused(CoachviewError):
    """Coachview does not take what was asked, such as a filter or an order; asking again does not help."""


class CoachviewAnswerUnreadable(CoachviewRefused):
    """The answer has another shape than is known; the text says what came, and which setting may help."""


class CoachviewIncomplete(CoachviewError):
    """Fewer or more rows came than were announced, also after reading again; never a smaller school."""


class CoachviewUnavailable(CoachviewError):
    """Try again later. ``retry_after`` is in seconds, None when Coachview gave none."""

    def __init__(
        self, message: Sentence | str, *, endpoint: str = "", status: int = 0, retry_after: float | None = None
    ) -> None:
        super().__init__(message, endpoint=endpoint, status=status)
        self.retry_after = retry_after


class CoachviewTimedOut(CoachviewUnavailable):
    """Coachview took too long over it (HTTP 500 or 504, or no answer in time): ask for less at a time."""


class CoachviewUnreachable(CoachviewUnavailable):
    """No connection could be made: name, port, TLS or proxy."""


class CoachviewTlsFailed(CoachviewUnreachable):
    """The certificate is not trusted or the two sides agree on no TLS; waiting does not mend that."""


class BudgetSpent(CoachviewError):
    """The requests of the day are used up, or what is left is the reserve; nothing was sent, or Coachview answered 429.

    ``resets`` is when there are new ones (UTC), None when Coachview did not say.
    """

    def __init__(
        self, message: Sentence | str, *, endpoint: str = "", status: int = 0, resets: dt.datetime | None = None
    ) -> None:
        super().__init__(message, endpoint=endpoint, status=status)
        self.resets = resets
