"""The HTML pages that come instead of an answer: of the web server, of PHP and of a Moodle that is closed."""

from __future__ import annotations

from html import escape

from moodle_coupling.sandbox.moodle.answers import HTML, Answer

_RETRY_SECONDS = 300
_REASONS = {
    404: "Not Found",
    405: "Not Allowed",
    413: "Request Entity Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}


def web_server_page(status: int, *, retry_after: int | None = None) -> Answer:
    """Return the page nginx shows for an error of its own."""
    title = f"{status} {_REASONS.get(status, 'Error')}"
    body = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
        "<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n"
    )
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Answer(status, "text/html", body.encode(), headers)


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
