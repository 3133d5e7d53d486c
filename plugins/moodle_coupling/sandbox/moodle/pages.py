"""The HTML pages that come instead of an answer: of PHP and of a Moodle that is closed."""

from __future__ import annotations

from html import escape

from moodle_coupling.sandbox.answers import Answer
from moodle_coupling.sandbox.moodle.answers import HTML

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
