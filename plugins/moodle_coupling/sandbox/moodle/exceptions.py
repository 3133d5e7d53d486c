"""Moodle's exceptions: what class, error code and text a refusal has on the wire."""

from __future__ import annotations

from dataclasses import dataclass

_CORE = "core\\exception\\"


@dataclass(eq=False)
class MoodleException(Exception):
    """A refusal as Moodle sends it.

    ``message`` is the site's English text for ``errorcode``; ``debuginfo`` is sent only by a site with debugging.
    """

    errorcode: str
    message: str
    debuginfo: str | None = None
    classname: str = _CORE + "moodle_exception"
    show_debuginfo: bool = False

    def text(self) -> str:
        """Return the message; a site that displays debugging adds its reason in brackets."""
        if self.show_debuginfo and self.debuginfo:
            return f"{self.message} ({self.debuginfo})"
        return self.message

    def __str__(self) -> str:
        return self.text()


class InvalidParameter(MoodleException):
    """What was sent does not pass: a parameter check, or a check of create_users."""

    def __init__(self, debuginfo: str, *, show_debuginfo: bool = False) -> None:
        super().__init__(
            "invalidparameter",
            "Invalid parameter value detected",
            debuginfo,
            _CORE + "invalid_parameter_exception",
            show_debuginfo,
        )


class InvalidResponse(MoodleException):
    """What Moodle was about to answer does not pass its own description."""

    def __init__(self, debuginfo: str, *, show_debuginfo: bool = False) -> None:
        super().__init__(
            "invalidresponse",
            "Invalid response value detected",
            debuginfo,
            _CORE + "invalid_response_exception",
            show_debuginfo,
        )


def unworded(errorcode: str, debuginfo: str | None = None) -> MoodleException:
    """Return an exception Moodle has no text for: the message is then ``error/`` and the code."""
    return MoodleException(errorcode, f"error/{errorcode}", debuginfo)


def access_denied(debuginfo: str) -> MoodleException:
    """Return the one answer for every trouble between token, service and function."""
    return MoodleException("accessexception", "Access control exception", debuginfo, "webservice_access_exception")


def no_permission(capability_text: str) -> MoodleException:
    """Return what a missing capability gives; ``capability_text`` is its name in English."""
    return MoodleException(
        "nopermissions",
        f"Sorry, but you do not currently have permissions to do that ({capability_text}).",
        None,
        _CORE + "required_capability_exception",
    )


def coding_error(hint: str, debuginfo: str) -> MoodleException:
    """Return Moodle's answer where it thinks a programmer is to blame."""
    return MoodleException(
        "codingerror",
        f"Coding error detected, it must be fixed by a programmer: {hint}",
        debuginfo,
        _CORE + "coding_exception",
    )


def write_failed(debuginfo: str) -> MoodleException:
    """Return what the database's refusal of a row looks like."""
    return MoodleException("dmlwriteexception", "Error writing to database", debuginfo, "dml_write_exception")


def record_missing(release: str, table: str, **conditions: int | str) -> MoodleException:
    """Return what a record that must exist and does not looks like; code and text differ between versions."""
    code, text = "invalidrecordunknown", "Can't find data record in database."
    if release == "4.5":
        found = {"user": ("invaliduser", "Invalid user")}
        code, text = found.get(table, ("invalidrecord", f"Can't find data record in database table {table}."))
    where = " AND ".join(f"{name} = ?" for name in conditions)
    values = [f"'{value}'" if isinstance(value, str) else value for value in conditions.values()]
    rows = "".join(f"  {number} => {value},\n" for number, value in enumerate(values))
    query = f"SELECT * FROM {{{table}}} WHERE {where}\n[array (\n{rows})]"  # noqa: S608 - a text
    return MoodleException(code, text, query, "dml_missing_record_exception")
