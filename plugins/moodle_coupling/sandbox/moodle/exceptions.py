"""Moodle's exceptions: what class, error code and text a refusal has on the wire."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale

from moodle_coupling.contract.fields import COUNTRIES
from moodle_coupling.sandbox.moodle.php import strip_tags, to_text

# ---- How Moodle words what it shows to people: one-line and formatted texts, moments, countries, and what is safe in
# HTML.

_AMPERSAND = re.compile(r"&(?![a-zA-Z0-9#]{1,8};)")
_NUMERIC_ENTITY = re.compile(r"&amp;#(\d+|x[0-9a-f]+);", re.IGNORECASE)
_BETWEEN_TAGS = re.compile(r">(\s+)<")
# What HTML Purifier takes away with everything in it; other tags it does not know go alone.
_GONE_WITH_CONTENT = frozenset({"script", "style", "iframe", "object", "noscript", "template", "title"})
_KEPT_TAGS = frozenset(
    {
        "a", "abbr", "b", "blockquote", "br", "code", "dd", "del", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5",
        "h6", "hr", "i", "img", "ins", "li", "ol", "p", "pre", "q", "s", "small", "span", "strong", "sub", "sup", "table",
        "tbody", "td", "th", "thead", "tr", "u", "ul",
    }
)  # fmt: skip
_KEPT_ATTRIBUTES = frozenset({"alt", "class", "href", "src", "title"})
_VOID_TAGS = frozenset({"br", "hr", "img"})


def fullname(user: dict[str, Any]) -> str:
    """Return the name as Moodle's English pack puts it together, spaces and all."""
    return f"{user['firstname']} {user['lastname']}"


def escaped(value: Any) -> str:
    """Return Moodle's ``s()``: escaped, yet what looks like a numeric entity stays one."""
    return _NUMERIC_ENTITY.sub(r"&#\1;", html.escape(to_text(value), quote=True).replace("&#x27;", "&#039;"))


def format_string(value: str) -> str:
    """Return a one-line text as Moodle shows it: tags removed, lone ampersands and what is left of ``<>`` escaped."""
    return strip_tags(_AMPERSAND.sub("&amp;", value)).replace("<", "&lt;").replace(">", "&gt;")


def format_text(value: str) -> str:
    """Return a text of Moodle's own format as HTML: its line breaks kept, what could do harm removed; '' stays ''.

    An approximation of HTML Purifier: right for text with simple tags.
    """
    if value == "":
        return ""
    lines = _BETWEEN_TAGS.sub("><", value).replace("\r\n", "\n").replace("\n", "<br />\n")
    return f'<div class="no-overflow"><div class="text_to_html">{_purified(lines)}</div></div>'


def long_moment(moment: int, timezone: str) -> str:
    """Return a moment as ``Wednesday, 1 May 2024, 1:30 PM``."""
    there = _local(moment, timezone)
    return f"{there:%A}, {day(moment, timezone)}, {there.hour % 12 or 12}:{there:%M %p}"


def day(moment: int, timezone: str) -> str:
    """Return a day as ``1 May 2024``."""
    there = _local(moment, timezone)
    return f"{there.day} {there:%B} {there.year}"


def _local(moment: int, timezone: str) -> datetime:
    return datetime.fromtimestamp(moment, UTC).astimezone(ZoneInfo(timezone))


def _purified(value: str) -> str:
    purifier = _Purifier()
    purifier.feed(value)
    purifier.close()
    return purifier.result()


class _Purifier(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._kept: list[str] = []
        self._open: list[str] = []
        self._gone = ""

    def result(self) -> str:
        return "".join(self._kept) + "".join(f"</{tag}>" for tag in reversed(self._open))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._gone:
            return
        if tag in _GONE_WITH_CONTENT:
            self._gone = tag
        elif tag in _KEPT_TAGS:
            texts = [f' {name}="{html.escape(value or "")}"' for name, value in attrs if _harmless(name, value or "")]
            self._kept.append(f"<{tag}{''.join(texts)}{' /' if tag in _VOID_TAGS else ''}>")
            if tag not in _VOID_TAGS:
                self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._gone:
            self._gone = "" if tag == self._gone else self._gone
        elif tag in self._open:
            while self._open:
                closed = self._open.pop()
                self._kept.append(f"</{closed}>")
                if closed == tag:
                    return

    def handle_data(self, data: str) -> None:
        if not self._gone:
            self._kept.append(html.escape(data, quote=False))


def _harmless(name: str, value: str) -> bool:
    return name in _KEPT_ATTRIBUTES and not value.strip().lower().startswith(("javascript:", "data:", "vbscript:"))


def country_name(code: str, lang: str) -> str:
    """Return what people see of a country, '' for none; Babel's names, which may differ a little from Moodle's."""
    return str(Locale.parse(lang).territories[code]) if code in COUNTRIES else code.strip("0")


# ---- Moodle's exceptions ----

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
