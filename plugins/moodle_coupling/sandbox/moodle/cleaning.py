"""Moodle's ``clean_param``: what each parameter type makes of a value on this site, and which e-mail addresses it takes."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from moodle_coupling.sandbox.moodle.php import fix_utf8, is_empty, strip_tags, to_int, trim

if TYPE_CHECKING:
    from collections.abc import Callable

    from moodle_coupling.sandbox.moodle.site import SiteSettings


class ParamType(StrEnum):
    """Moodle's parameter types, by the names its messages use."""

    ALPHA = "alpha"
    ALPHANUM = "alphanum"
    ALPHANUMEXT = "alphanumext"
    AUTH = "auth"
    BOOL = "bool"
    INT = "int"
    LANG = "lang"
    NOTAGS = "notags"
    PLUGIN = "plugin"
    RAW = "raw"
    RAW_TRIMMED = "raw_trimmed"
    TEXT = "text"
    THEME = "theme"
    TIMEZONE = "timezone"
    USERNAME = "username"


_PLUGIN_NAME = re.compile(r"[a-z](?:[a-z0-9_](?!__))*[a-z0-9]+")
_TIMEZONE = re.compile(
    r"^(([+-]?(0?[0-9](\.[5|0])?|1[0-3](\.0)?|1[0-2]\.5))|(99)|[A-Za-z0-9]+(\/?[A-Za-z_-])+)$", re.ASCII
)
_ANY_TAG = re.compile(r"<.*?>", re.DOTALL)
_MULTILANG = {
    "lang": re.compile(r'<lang lang="[a-zA-Z0-9_-]+"\s*>'),
    "span": re.compile(r'<span(\s+lang="[a-zA-Z0-9_-]+"|\s+class="multilang"){2}\s*>'),
}


def clean(value: str, kind: ParamType, site: SiteSettings) -> str | int:
    """Return ``value`` as Moodle would clean it; where that differs from what was sent, Moodle refuses it."""
    return _CLEANERS[kind](value, site)


def _notags(value: str, _site: SiteSettings) -> str:
    return strip_tags(fix_utf8(value))


def _text(value: str, _site: SiteSettings) -> str:
    value = fix_utf8(value)
    for tag, opening in _MULTILANG.items():
        if f"</{tag}>" in value:
            return value if _is_multilang(value, tag, opening) else strip_tags(value)
    return strip_tags(value)


def _is_multilang(value: str, tag: str, opening: re.Pattern[str]) -> bool:
    inside = False
    for found in _ANY_TAG.findall(value):
        if found == f"</{tag}>":
            if not inside:
                return False
            inside = False
        elif opening.fullmatch(found):
            inside = True
        else:
            return False
    return not inside


def _username(value: str, site: SiteSettings) -> str:
    value = trim(fix_utf8(value)).lower()
    if site.extendedusernamechars:
        return value
    return re.sub(r"[^-.@_a-z0-9]", "", value)


def _boolean(value: str, _site: SiteSettings) -> int:
    word = value.lower()
    if word in ("on", "yes", "true"):
        return 1
    if word in ("off", "no", "false"):
        return 0
    return 0 if is_empty(value) else 1


def _plugin(value: str, _site: SiteSettings) -> str:
    return value if _PLUGIN_NAME.fullmatch(value) else ""


def _auth(value: str, site: SiteSettings) -> str:
    return value if _plugin(value, site) in site.auths() else ""


def _theme(value: str, site: SiteSettings) -> str:
    return value if _plugin(value, site) in site.themes else ""


def _lang(value: str, site: SiteSettings) -> str:
    value = re.sub(r"[^a-zA-Z0-9_-]", "", value)
    return value if value in site.langs else ""


def _timezone(value: str, _site: SiteSettings) -> str:
    return value if _TIMEZONE.match(fix_utf8(value)) else ""


def _keeping(characters: str) -> Callable[[str, SiteSettings], str]:
    unwanted = re.compile(f"[^{characters}]")
    return lambda value, _site: unwanted.sub("", value)


_CLEANERS: dict[ParamType, Callable[[str, SiteSettings], str | int]] = {
    ParamType.ALPHA: _keeping("a-zA-Z"),
    ParamType.ALPHANUM: _keeping("a-zA-Z0-9"),
    ParamType.ALPHANUMEXT: _keeping("a-zA-Z0-9_-"),
    ParamType.AUTH: _auth,
    ParamType.BOOL: _boolean,
    ParamType.INT: lambda value, _site: to_int(value),
    ParamType.LANG: _lang,
    ParamType.NOTAGS: _notags,
    ParamType.PLUGIN: _plugin,
    ParamType.RAW: lambda value, _site: fix_utf8(value),
    ParamType.RAW_TRIMMED: lambda value, _site: trim(fix_utf8(value)),
    ParamType.TEXT: _text,
    ParamType.THEME: _theme,
    ParamType.TIMEZONE: _timezone,
    ParamType.USERNAME: _username,
}


_MAX_LENGTH = 320
_ATOM = r"[\x21\x23-\x27*+\-/-9=?\x5E-~A-Z]+"
# No space within quotes: `"jan jansen"@example.org` was refused (Moodle 5.1, PHP 8.2).
_QUOTED = r'"(?:[\x01-\x08\x0B\x0C\x0E-\x1F\x21\x23-\x5B\x5D-\x7F]|\\[\x00-\x7F])*"'
_WORD = f"(?:{_ATOM}|{_QUOTED})"
_LABEL = r"(?:xn--)?[a-z0-9]+(?:-+[a-z0-9]+)*\."
_TOP = r"(?:[a-z][a-z0-9]*|xn--[a-z0-9]+)(?:-+[a-z0-9]+)*"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_LITERAL = rf"\[(?:{_OCTET}(?:\.{_OCTET}){{3}}|IPv6:[0-9a-f:]+(?:{_OCTET}(?:\.{_OCTET}){{3}})?)\]"
_ADDRESS = re.compile(
    rf"(?P<local>{_WORD}(?:\.{_WORD})*)@(?:(?P<domain>(?:{_LABEL}){{1,126}}{_TOP})|{_LITERAL})",
    re.IGNORECASE | re.ASCII,
)


def is_valid_email(address: str) -> bool:
    """Return whether Moodle's ``validate_email`` accepts ``address``."""
    if not address or len(address.encode("utf-8", "surrogateescape")) > _MAX_LENGTH or not address.isascii():
        return False
    if any(c in address for c in "<>\r\n"):
        return False
    found = _ADDRESS.fullmatch(address)
    if not found or len(found["local"]) > 64 or len(address) > 254:
        return False
    return all(len(label) <= 63 for label in (found["domain"] or "").split("."))
