"""What every page has in common: headers, languages, errors, escaping, and no script or style but our files."""

from __future__ import annotations

import datetime as dt
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fastapi import FastAPI
from web.conftest import TestClient, token_of

from moodle_coupling import web
from moodle_coupling.errors import MappingError
from moodle_coupling.ledger.errors import AlreadyDecided, LedgerUnavailable, NotInLedger
from moodle_coupling.web.base import shell
from moodle_coupling.web.base.words import COOKIE, accepted
from moodle_coupling.web.environments import pages as environments

WEB = Path(web.__file__).parent
PAGES = ["/", "/environments/demo", "/nothing"]


class Tags(HTMLParser):
    """Every start tag with its attributes, and the text inside scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("role", ["", "op"])
class TestEveryPage:
    def test_only_our_files_are_scripts_and_styles(self, visit, path, role):
        tags = Tags(visit(role).get(path).text)
        assert tags.all("script")
        assert all((one["src"] or "").startswith("/moodle/static/") for one in tags.all("script"))
        assert not tags.all("style")
        assert not [one for one in tags.found if {"style", "hx-on", "onclick"} & set(one[1])]
        assert not [name for _, one in tags.found for name in one if name.startswith(("on", "hx-on"))]

    def test_it_is_for_keyboard_and_reader(self, visit, path, role):
        tags = Tags(visit(role).get(path, headers={"accept-language": "nl"}).text)
        assert tags.all("html")[0]["lang"] == "nl"
        assert any(one.get("class") == "skip" and one.get("href") == "#content" for one in tags.all("a"))
        assert tags.all("main")[0]["id"] == "content"
        assert any(one.get("id") == "notice" and one.get("aria-live") == "polite" for one in tags.all("div"))
        assert len(tags.all("h1")) == 1
        labelled = {one.get("for") for one in tags.all("label")}
        shown = [one for one in tags.all("input") if one.get("type") != "hidden"]
        assert all(one.get("id") in labelled for one in shown)

    def test_every_address_starts_where_airflow_is_mounted(self, visit, path, role):
        tags = Tags(visit(role).get(path).text)
        for tag, name in (("a", "href"), ("link", "href"), ("script", "src"), ("form", "action")):
            for one in tags.all(tag):
                assert (one[name] or "").startswith(("/moodle/", "#")) or "data-airflow" in one, one


class TestHeaders:
    def test_the_policy_forbids_all_but_our_own(self):
        parts = dict(part.split(" ", 1) for part in shell.CONTENT_SECURITY_POLICY.split("; "))
        assert parts == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": "'self' data:",
            "font-src": "'self'",
            "connect-src": "'self'",
            "form-action": "'self'",
            "frame-ancestors": "'self'",
            "base-uri": "'none'",
        }

    def test_static_files_may_be_kept_when_their_address_tells_the_version(self, visit):
        named = re.search(r'href="/moodle(/static/app.css\?v=[0-9a-f]+)"', visit("op").get("/").text)[1]
        assert "immutable" in visit("").get(named).headers["cache-control"]
        assert visit("").get("/static/app.css").headers["cache-control"] == "no-store"

    def test_the_query_is_kept_out_of_the_access_log(self, visit, capsys):
        visit("op").get("/environments/demo?text=Jansen")
        logged = capsys.readouterr().out
        assert "path=/moodle/environments/demo" in logged
        assert "Jansen" not in logged

    def test_the_app_still_reads_its_query(self, visit):
        assert visit("op").get("/cards?only=demo").status_code == 200
        assert visit("op").get("/cards?only=other").status_code == 404


class TestBehindAPath:
    @pytest.fixture
    def html(self, app, visit):
        airflow = FastAPI(root_path="/airflow")
        airflow.mount("/moodle", app)
        with TestClient(airflow, base_url="http://127.0.0.1") as browser:
            browser.cookies.set("_token", token_of("op"))
            return browser.get("/airflow/moodle/environments/demo").text

    def test_every_address_has_the_path(self, html):
        tags = Tags(html)
        for tag, name in (("a", "href"), ("link", "href"), ("script", "src"), ("form", "action")):
            for one in tags.all(tag):
                start = "/airflow/" if "data-airflow" in one else ("/airflow/moodle/", "#")
                assert (one[name] or "").startswith(start), one

    def test_a_form_leads_back_to_its_page(self, html):
        back = {one["value"] for one in Tags(html).all("input") if one.get("name") == "back"}
        assert back == {"/environments/demo"}


class TestErrors:
    @pytest.fixture
    def fail(self, monkeypatch):
        def failing(error):
            def raising(*_args, **_kwargs):
                raise error

            monkeypatch.setattr(environments, "card_values", raising)

        return failing

    def test_what_nobody_foresaw_is_a_page_without_its_text(self, visit, fail, capsys, caplog):
        fail(KeyError("Jansen, jansen@example.org"))
        answer = visit("op").get("/")
        logged = capsys.readouterr().out + caplog.text
        assert answer.status_code == 500
        assert "Something went wrong here" in answer.text
        assert "content-security-policy" in answer.headers
        reference = re.search(r"reference ([0-9a-f]{8})", answer.text)[1]
        assert reference in logged
        assert "KeyError" in logged
        for told in (answer.text, logged):
            assert "Jansen" not in told
            assert "jansen@example.org" not in told
        assert "Traceback" not in answer.text

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (NotInLedger("There is no run <i>."), 404),
            (AlreadyDecided(7, by="<i>", at=dt.datetime(2026, 3, 1, tzinfo=dt.UTC), kind="link"), 409),
            (MappingError("<i> is wrong"), 409),
            (LedgerUnavailable("The ledger <i> is away."), 503),
        ],
    )
    def test_an_error_of_ours_is_told_in_its_own_words(self, visit, fail, error, status):
        fail(error)
        answer = visit("op").get("/")
        assert answer.status_code == status
        assert "&lt;i&gt;" in answer.text
        assert "<i>" not in answer.text

    def test_htmx_gets_a_notice_and_no_page(self, visit):
        answer = visit("op").get("/nothing", headers={"HX-Request": "true"})
        assert answer.status_code == 404
        assert "There is nothing here" in answer.text
        assert "<html" not in answer.text

    def test_htmx_shows_errors_where_notices_stand(self, visit):
        assert '"code":"[45]..","swap":true,"error":true,"target":"#notice"' in visit("op").get("/").text

    def test_errors_are_told_in_dutch_too(self, visit):
        assert "Hier is niets" in visit("op", language="nl").get("/nothing").text
        assert "U bent niet ingelogd" in visit("", language="nl").get("/").text

    def test_a_form_that_is_not_complete(self, visit):
        answer = visit("op").send_form("/language")
        assert answer.status_code == 422
        assert "The request is not complete" in answer.text


class TestLanguages:
    @pytest.mark.parametrize(
        ("header", "language"),
        [
            ("", "en"),
            ("nl", "nl"),
            ("nl-BE,nl;q=0.9", "nl"),
            ("de,fr;q=0.8", "en"),
            ("en-GB,nl;q=0.9", "en"),
            ("en;q=0.3, NL;q=0.7", "nl"),
            ("nl;q=0", "en"),
            ("nl;q=x,en;q=0.1", "en"),
            ("*", "en"),
        ],
    )
    def test_the_browsers_choice(self, header, language):
        assert accepted(header) == language

    def test_the_switch_goes_before_the_browser_and_back_to_the_page(self, visit):
        visitor = visit("viewer")
        answer = visitor.send_form("/language", lang="nl", back="/environments/demo")
        assert (answer.status_code, answer.headers["location"]) == (303, "/moodle/environments/demo")
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert "Path=/moodle" in answer.headers["set-cookie"]
        visitor.cookies.set(COOKIE, "nl")
        assert 'lang="nl"' in visitor.get("/").text

    @pytest.mark.parametrize("back", ["//evil.example.org", "https://evil.example.org", "evil", "\\evil"])
    def test_it_leads_to_no_other_site(self, visit, back):
        answer = visit("viewer").send_form("/language", lang="nl", back=back)
        assert answer.headers["location"] == "/moodle/"

    def test_a_language_we_do_not_have(self, visit):
        assert visit("viewer").send_form("/language", lang="de").status_code == 404

    def test_a_cookie_that_is_no_language(self, visit):
        visitor = visit("viewer")
        visitor.cookies.set(COOKIE, "<script>")
        assert '<html lang="en">' in visitor.get("/").text


class TestStatic:
    def test_light_and_dark_are_airflows_choice_else_the_systems(self):
        script, style = ((WEB / "base" / "static" / name).read_text() for name in ("theme.js", "app.css"))
        assert 'localStorage.getItem("theme")' in script
        assert 'addEventListener("storage"' in script
        assert ':root[data-theme="light"] { color-scheme: light; }' in style
        assert ':root[data-theme="dark"] { color-scheme: dark; }' in style

    def test_htmx_stands_with_its_licence(self):
        assert 'version:"2.' in (WEB / "base" / "static" / "htmx.min.js").read_text()
        assert "Zero-Clause BSD" in (WEB / "base" / "static" / "htmx.LICENSE.txt").read_text()

    def test_htmx_keeps_no_pages_and_runs_no_text(self, visit):
        html = visit("op").get("/").text
        for setting in (
            '"historyCacheSize":0',
            '"allowEval":false',
            '"selfRequestsOnly":true',
            '"allowScriptTags":false',
        ):
            assert setting in html
