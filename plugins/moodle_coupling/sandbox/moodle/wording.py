"""How Moodle words what it shows to people: one-line and formatted texts, moments, countries, and what is safe in HTML."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale

from moodle_coupling.contract.fields import COUNTRIES
from moodle_coupling.sandbox.moodle.php import strip_tags, to_text

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
