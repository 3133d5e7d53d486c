"""The error tree: one class per thing the caller should do differently.

What to do with an error is decided by its place in the tree, never by its text:

* :class:`InputError`: a setting or a file is wrong; mend it and run again. Never retried.
* :class:`MoodleDenied`: Moodle answered and says no to *us* (token, rights, service); mend the site or connection.
* :class:`MoodleRefused`: Moodle answered and says no to *what was sent*; some record in it is the culprit.
* :class:`MoodleUnavailable`: nothing was done; the same call may go through later. Safe to repeat.
* :class:`AnswerLost`: the call may or may not have been carried out; read back before writing again.
"""

from __future__ import annotations


class CouplingError(Exception):
    """Anything this project raises on purpose."""


class InputError(CouplingError):
    """A setting, mapping file or source is wrong; nothing was sent to Moodle."""


class MappingError(InputError):
    """A mapping file does not say what it must; the text names file, line and key."""


class SourceError(InputError):
    """The source of persons cannot be read as a whole; the text names file, line and column where there is one."""


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


class CouplingPaused(CouplingError):
    """The environment is paused: no request of any kind goes to that Moodle.

    Attributes: ``environment``, and ``reason`` as it stands in the pause variable.
    """

    def __init__(self, environment: str, reason: str) -> None:
        super().__init__(f"Environment '{environment}' is paused: {reason}")
        self.environment = environment
        self.reason = reason


class TooManyFailures(CouplingError):
    """So many persons went wrong that the load stopped itself: most likely it is not the persons but the site or a setting.

    Attributes: ``failed`` of ``attempted`` persons that were really sent or tried.
    """

    def __init__(self, message: str, *, failed: int, attempted: int) -> None:
        super().__init__(message)
        self.failed = failed
        self.attempted = attempted


class MoodleError(CouplingError):
    """A call to Moodle did not give data.

    Attributes: ``function`` (the web service function, '' if none), ``errorcode`` (Moodle's own, '' if none),
    ``debuginfo`` (only sites with debugging send it). None of them ever holds the token.
    """

    def __init__(self, message: str, *, function: str = "", errorcode: str = "", debuginfo: str = "") -> None:
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
        message: str,
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
