"""Turns a function's result, or a refusal, into the answer on the wire: JSON, Moodle's XML, or the HTML pages that come instead."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.moodle.descriptions import Description, Many, Value
from moodle_coupling.sandbox.moodle.php import json_encode, to_text
from moodle_coupling.sandbox.server import JSON, Answer

if TYPE_CHECKING:
    from moodle_coupling.sandbox.moodle.exceptions import MoodleException


XML = "application/xml; charset=utf-8"
HTML = "text/html; charset=UTF-8"
_ALWAYS = {
    "Cache-Control": "private, must-revalidate, pre-check=0, post-check=0, max-age=0",
    "Expires": "Thu, 01 Jan 1970 00:00:00 GMT",
    "Pragma": "no-cache",
    "Accept-Ranges": "none",
    "Access-Control-Allow-Origin": "*",
}
_XML_HEAD = '<?xml version="1.0" encoding="UTF-8" ?>\n'


def result_answer(result: Any, description: Description | None, *, as_json: bool) -> Answer:
    """Return the answer that holds a function's (already cleaned) result."""
    if as_json:
        return _answer(json_encode(result), as_json=True)
    inner = "" if description is None else _xml(result, description)
    return _answer(f"{_XML_HEAD}<RESPONSE>\n{inner}</RESPONSE>\n", as_json=False)


def error_answer(error: MoodleException, *, as_json: bool, with_debuginfo: bool) -> Answer:
    """Return the answer that holds a refusal; HTTP status 200, as nearly all of Moodle's."""
    debuginfo = error.debuginfo if with_debuginfo else None
    if as_json:
        content = {"exception": error.classname, "errorcode": error.errorcode, "message": error.text()}
        return _answer(json_encode(content if debuginfo is None else {**content, "debuginfo": debuginfo}), as_json=True)
    rows = [f'{_XML_HEAD}<EXCEPTION class="{error.classname}">', _tag("ERRORCODE", error.errorcode)]
    rows.append(_tag("MESSAGE", error.text()))
    if debuginfo is not None:
        rows.append(_tag("DEBUGINFO", debuginfo))
    return _answer("\n".join([*rows, "</EXCEPTION>", ""]), as_json=False)


def _answer(text: str, *, as_json: bool) -> Answer:
    headers = dict(_ALWAYS) if as_json else {"Content-Disposition": 'inline; filename="response.xml"', **_ALWAYS}
    return Answer(200, JSON if as_json else XML, text.encode("utf-8", "replace"), headers)


def _tag(name: str, text: str) -> str:
    return f"<{name}>{_escaped(text)}</{name}>"


def _escaped(text: str) -> str:
    # As htmlspecialchars(ENT_COMPAT): single quotes stay, and a text that is no UTF-8 becomes nothing.
    if any("\ud800" <= c <= "\udfff" for c in text):
        return ""
    return escape(text, quote=False).replace('"', "&quot;")


def _xml(value: Any, description: Description) -> str:
    if isinstance(description, Value):
        if value is None:
            return '<VALUE null="null"/>\n'
        return f"<VALUE>{_escaped(to_text(int(value) if isinstance(value, bool) else value))}</VALUE>\n"
    if isinstance(description, Many):
        items = "".join(_xml(item, description.content) for item in value or ())
        return f"<MULTIPLE>\n{items}</MULTIPLE>\n"
    keys = "".join(
        f'<KEY name="{key}">{_xml((value or {}).get(key), inner)}</KEY>\n' for key, inner in description.keys.items()
    )
    return f"<SINGLE>\n{keys}</SINGLE>\n"


_RETRY_SECONDS = 300


def maintenance_page(sitename: str) -> Answer:
    """Return the page of a site closed by ``admin/cli/maintenance.php --enable``, or during an upgrade."""
    name = escape(sitename)
    body = f"""<!DOCTYPE html>
<html  lang="en" xml:lang="en">
    <head>
        <meta http-equiv="Content-Type" content="text/html; charset=utf-8" />
                <title>{name} under maintenance</title>
    </head>
    <body>
        <div class="box">
            <h1>{name}</h1>
            <p>This site is undergoing maintenance and is currently not available</p>
        </div>
    </body>
</html>
"""
    return Answer(503, "text/html; charset=utf-8", body.encode(), {"Retry-After": str(_RETRY_SECONDS)})


def forbidden() -> Answer:
    """Return what a site without web services, or without the REST protocol, answers: 403 and nothing."""
    return Answer(403, HTML, b"")


def login_page(sitename: str) -> Answer:
    """Return a page as a proxy, a login wall or another web application would put in the way."""
    body = f"<!DOCTYPE html>\n<html><head><title>{escape(sitename)}: Log in to the site</title></head><body></body></html>\n"
    return Answer(200, "text/html; charset=utf-8", body.encode())


def php_warnings(warnings: tuple[str, ...]) -> bytes:
    """Return PHP's warnings as a server with ``display_errors`` puts them before everything else."""
    rows = (f"<br />\n<b>Warning</b>:  {text} in <b>Unknown</b> on line <b>0</b><br />\n" for text in warnings)
    return "".join(rows).encode()
