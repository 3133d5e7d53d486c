"""One web service request from form to answer: Moodle's ``webservice/rest/server.php``."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.moodle.context import Context, Work
from moodle_coupling.sandbox.moodle.descriptions import Description, Many, Value, checked_parameters, cleaned_answer
from moodle_coupling.sandbox.moodle.exceptions import (
    InvalidParameter,
    MoodleException,
    access_denied,
    coding_error,
    record_missing,
)
from moodle_coupling.sandbox.moodle.functions.registry import FUNCTIONS, ONLY_ON_A_REAL_SITE, Function
from moodle_coupling.sandbox.moodle.php import is_empty, json_encode, read_form, to_text
from moodle_coupling.sandbox.server import JSON, Answer, web_server_page

if TYPE_CHECKING:
    from moodle_coupling.sandbox.moodle.access import AccessTables
    from moodle_coupling.sandbox.moodle.accounts import Accounts
    from moodle_coupling.sandbox.moodle.php import PhpArray
    from moodle_coupling.sandbox.moodle.site import SiteSettings, Token, Tokens


# ---- Turns a function's result, or a refusal, into the answer on the wire: JSON, Moodle's XML, or the HTML pages that
# come instead.

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


# ---- One web service request from form to answer ----

_DB_DOWN = (
    "<p>Error: Database connection failed</p>\n"
    "<p>It is possible that the database is overloaded or otherwise not running properly.</p>\n"
    "<p>The site administrator should also check that the database details have been correctly specified in "
    "config.php</p>"
)
_NOT_ALLOWED = """Access to the function {}() is not allowed.
                     There could be multiple reasons for this:
                     1. The service linked to the user token does not contain the function.
                     2. The service is user-restricted and the user is not listed.
                     3. The service is IP-restricted and the user IP is not listed.
                     4. The service is time-restricted and the time has expired.
                     5. The token is time-restricted and the time has expired.
                     6. The service requires a specific capability which the user does not have.
                     7. The function is called with username/password (no user token is sent)
                     and none of the services has the function to allow the user.
                     These settings can be found in Administration > Site administration
                     > Server > Web services > External services and Manage tokens."""
_SETTINGS_OF_THE_CALL = ("raw", "fileurl", "filter", "lang", "timezone")


@dataclass(frozen=True)
class Request:
    """An HTTP request to the web service, as far as PHP looks at it."""

    query: str = ""
    content_type: str = ""
    body: bytes = b""
    address: str = "127.0.0.1"


@dataclass
class Call:
    """One request read: its form, and what the call turned out to be."""

    values: PhpArray
    warnings: tuple[str, ...]
    work: Work = field(default_factory=Work)

    @property
    def function(self) -> str:
        """The function asked for, '' if none."""
        return self._text("wsfunction")

    @property
    def secret(self) -> str:
        """The token sent, '' if none."""
        return self._text("wstoken")

    @property
    def as_json(self) -> bool:
        """Whether JSON was asked for; anything else gets XML."""
        return self._text("moodlewsrestformat") == "json"

    def _text(self, name: str) -> str:
        value = self.values.get(name, "")
        return value if isinstance(value, str) else ""

    def parameters(self) -> dict[Any, Any]:
        """Return what is left for the function itself."""
        control = {
            "wstoken",
            "wsfunction",
            "moodlewsrestformat",
            *(f"moodlewssetting{s}" for s in _SETTINGS_OF_THE_CALL),
        }
        return {key: value for key, value in self.values.items() if key not in control}


class RestServer:
    """Moodle's REST server over a site, its accounts, its cohorts and courses, and its tokens."""

    def __init__(self, site: SiteSettings, accounts: Accounts, access: AccessTables, tokens: Tokens) -> None:
        self.site = site
        self.accounts = accounts
        self.access = access
        self.tokens = tokens

    def read(self, request: Request) -> Call:
        """Return the request as PHP reads it; what exceeds its limits is gone without an error."""
        form = read_form(
            request.query,
            request.content_type,
            request.body,
            max_input_vars=self.site.max_input_vars,
            post_max_size=self.site.post_max_size,
        )
        return Call(form.values, form.warnings)

    def closed(self, body_size: int) -> Answer | None:
        """Return the page that comes before Moodle sees anything, None where the way is free."""
        if body_size > self.site.client_max_body_size:
            return web_server_page(413)
        if self.site.php_down:
            return web_server_page(502)
        if self.site.maintenance == "cli":
            return maintenance_page(self.site.sitename)
        return None

    def answer(self, call: Call, address: str) -> Answer:
        """Carry the call out and return what Moodle answers, refusals included."""
        try:
            self._check_site()
            if not (self.site.enablewebservices and self.site.rest_enabled):
                return self._with_warnings(call, forbidden())
            description, result = self._run(call, address)
            answer = result_answer(result, description, as_json=call.as_json)
        except MoodleException as error:
            error.show_debuginfo = self.site.shows_debuginfo()
            answer = error_answer(error, as_json=call.as_json, with_debuginfo=self.site.sends_debuginfo())
        return self._with_warnings(call, answer)

    def _with_warnings(self, call: Call, answer: Answer) -> Answer:
        if not (self.site.display_errors and call.warnings):
            return answer
        # Output has begun, so Moodle's own headers come too late.
        return Answer(answer.status, HTML, php_warnings(call.warnings) + answer.body)

    def _check_site(self) -> None:
        if self.site.db_down:
            raise MoodleException(
                "dbconnectionfailed", _DB_DOWN, "Connection refused (2002)", "dml_connection_exception"
            )
        if self.site.upgrade_running:
            raise MoodleException("upgraderunning", "Site is being upgraded, please retry later.")

    def _run(self, call: Call, address: str) -> tuple[Any, Any]:
        token, user = self._authenticated(call.secret, address)
        function = self._function(call.function, token)
        context = Context(self.site, self.accounts, self.access, token, user, call.work)
        parameters = checked_parameters(function.parameters, call.parameters(), self.site)
        result = function.run(context, parameters)
        return function.returns, cleaned_answer(function.returns, result, self.site)

    def _authenticated(self, secret: str, address: str) -> tuple[Token, dict[str, Any]]:
        token = self.tokens.find(secret)
        user = self.accounts.get(token.userid) if token else None
        if token is None or user is None or user["deleted"]:
            raise MoodleException("invalidtoken", "Invalid token - token not found")
        if token.valid_until and token.valid_until < time.time():
            self.tokens.remove(token)
            raise access_denied("Invalid token - token expired - check validuntil time for the token")
        if not token.allows_address(address):
            raise access_denied(f"Invalid service - IP:{address} is not supported - check this allowed user")
        self._check_user(user)
        if not Context(self.site, self.accounts, self.access, token, user).may("webservice/rest:use"):
            raise access_denied(
                "You are not allowed to use the rest protocol (missing capability: webservice/rest:use)"
            )
        return token, user

    def _check_user(self, user: dict[str, Any]) -> None:
        if self.site.maintenance == "config" and user["id"] not in self.site.admins:
            raise MoodleException(
                "sitemaintenance", "The site is undergoing maintenance and is currently not available"
            )
        for wrong, state in (
            (not user["confirmed"], "unconfirmed"),
            (user["suspended"], "suspended"),
            (user["auth"] == "nologin", "nologin"),
        ):
            if wrong:
                kind = "nologin authentication" if state == "nologin" else state
                raise MoodleException(
                    f"wsaccessuser{state}", f"Refused web service access for {kind} username: {user['username']}"
                )

    def _function(self, name: str, token: Token) -> Function:
        if is_empty(name):
            raise InvalidParameter("Missing function name")
        if name not in FUNCTIONS and name not in ONLY_ON_A_REAL_SITE:
            raise record_missing(self.site.release, "external_functions", name=name)
        if not token.service_enabled or name not in token.functions:
            raise access_denied(_NOT_ALLOWED.format(name))
        if name not in FUNCTIONS:
            raise coding_error("the sandbox does not have this function", f"{name} exists on a real Moodle only")
        return FUNCTIONS[name]
