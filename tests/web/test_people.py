"""Finding a person, the page of one, and what can be done there; each as every role sees it."""

from __future__ import annotations

import datetime as dt
import html
import json
import re
import shutil

import pytest
from ledger.frames import outcomes
from web.conftest import ROOT
from web.dags_in_airflow import clear, put
from web.filling import SCRIPT
from web.mismatched import compare, every_kind

from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.hooks.pause import read_pause, variable_name
from moodle_coupling.ledger import activity
from moodle_coupling.ledger.accounts import record_links
from moodle_coupling.ledger.decisions import Choice, decide
from moodle_coupling.ledger.intentions import plan_intentions
from moodle_coupling.ledger.outcomes import settle
from moodle_coupling.ledger.runs import begin_run
from moodle_coupling.sandbox.moodle import running_moodle
from moodle_coupling.web.base.access import Access
from moodle_coupling.web.base.forms import unseal
from moodle_coupling.web.people.pages import sealed

NOW = dt.datetime(2026, 1, 5, 2, 0, tzinfo=dt.UTC)
PROVISION = "moodle_provision__demo"
SULE = "0a51f3b7-d8f1-4adf-a1b7-584a2265b1f5"
"""The person id of CV-00001 in the sample."""


@pytest.fixture(autouse=True)
def clean(site):
    yield
    clear()


@pytest.fixture
def noord(mappings):
    """A second environment."""
    text = (mappings / "demo.yaml").read_text().replace("environment: demo", "environment: noord")
    (mappings / "noord.yaml").write_text(
        text.replace("title: Demo", "title: Noord").replace("moodle_demo", "moodle_noord")
    )


@pytest.fixture
def told(ledger):
    """Write outcomes down, in a run of their own."""
    numbers = iter(range(1, 100))

    def made(rows, status="done", *, environment="demo", at=NOW, **more):
        run = begin_run(
            ledger, environment, f"moodle_provision__{environment}", f"manual__{next(numbers)}", mode="full"
        )
        frame = outcomes(rows, status, at=at, **more)
        plan_intentions(ledger, run.id, [str(row) for row in frame["row"]], digest=run.id)
        settle(ledger, run.id, frame)
        return run

    return made


@pytest.fixture
def source(mappings):
    """The source of the samples."""
    shutil.copytree(ROOT / "include/samples", mappings.parent / "samples")


@pytest.fixture
def school(source, monkeypatch):
    """The source of the samples, and a sandbox Moodle behind the connection."""
    with running_moodle() as sandbox:
        value = {"conn_type": "moodle", "host": sandbox.url, "password": sandbox.token}
        monkeypatch.setenv("AIRFLOW_CONN_MOODLE_DEMO", json.dumps(value))
        yield sandbox


def paused(reason="Upgrade"):
    from airflow.models.variable import Variable

    Variable.set(variable_name("moodle_demo"), json.dumps({"paused": True, "reason": reason}))
    assert read_pause("moodle_demo") is not None


def shown(page) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def look_for(visitor, text):
    """Search as the page does; gives the page found."""
    answer = visitor.send_form("/people", text=text)
    assert answer.status_code == 303
    return visitor.get(answer.headers["location"].removeprefix("/moodle"))


def names(page) -> list[str]:
    return [html.unescape(name) for name in re.findall(r'class="name"[^>]*>([^<]+)<', page.text)]


def first_link(page) -> str:
    return html.unescape(re.search(r'class="name" href="/moodle([^"]+)"', page.text)[1])


class TestSearch:
    def test_before_anything_is_typed(self, visit):
        page = visit("user").get("/people")
        assert page.status_code == 200
        assert "Nobody" not in page.text

    @pytest.mark.parametrize(
        "typed", ["p2", "x2", "user2", "person2@EXAMPLE.org", "öztürk", "ÖZT", "Chloé Öztürk", "öztürk chloé", " p2 "]
    )
    def test_by_id_username_address_and_name(self, visit, told, typed):
        told([2])
        assert names(look_for(visit("user"), typed)) == ["Chloé Öztürk"]

    def test_by_first_and_last_name_with_particles(self, visit, told):
        told([3])
        assert names(look_for(visit("user"), "Dirk van der Meer")) == ["Dirk van der Meer"]

    def test_what_was_typed_stands_in_no_address(self, visit, told):
        told([2])
        where = visit("user").send_form("/people", text="Öztürk").headers["location"]
        assert re.fullmatch(r"/moodle/people\?q=[\w-]+", where)
        assert unseal(where.split("q=")[1]) == "Öztürk"

    def test_one_answer_a_person_whatever_the_environments_and_names(self, visit, told, noord):
        told([2])
        told(
            [2], environment="noord", lastname="Jansen-Öztürk", email="chloe@example.org", at=NOW + dt.timedelta(days=1)
        )
        page = look_for(visit("user"), "p2")
        assert len(names(page)) == 1
        text = shown(page)
        assert "also Chloé Jansen-Öztürk" in text or "also Chloé Öztürk" in text
        assert "1 person" in text
        assert "Demo" in text
        assert "Noord" in text

    def test_someone_who_is_only_linked(self, visit, ledger):
        import pandas as pd

        frame = pd.DataFrame({"idnumber": ["CV-9"], "account_id": [99], "person_id": ["9"], "username": ["ien-bos"]})
        record_links(ledger, "demo", frame)
        for typed in ("CV-9", "9", "ien-bos", "99"):
            page = look_for(visit("user"), typed)
            assert names(page) == ["Person 9"], typed
        text = shown(visit("user").get(first_link(page)))
        assert "Account 99 ien-bos" in text
        assert "found in Moodle and linked" in text

    def test_nobody_is_found_and_an_id_can_be_followed_all_the_same(self, visit):
        page = look_for(visit("user"), "no/such?id&#")
        assert "Nobody found" in page.text
        where = html.unescape(re.search(r'href="/moodle(/people/demo/[^"]+)"', page.text)[1])
        assert "such" not in where
        one = visit("user").get(where)
        assert one.status_code == 200
        assert "Nothing is recorded about this person" in one.text
        assert "Person no/such?id&#" in shown(one)

    def test_a_script_is_a_name(self, visit, told):
        told([2], lastname=SCRIPT, firstname="")
        page = look_for(visit("user"), SCRIPT)
        assert names(page) == [SCRIPT]
        assert SCRIPT not in page.text

    @pytest.mark.parametrize("typed", ["%", "_", "öz%", "' OR 1=1 --", "x" * 300])
    def test_signs_are_letters(self, visit, told, typed):
        told([2])
        assert names(look_for(visit("user"), typed)) == []

    @pytest.mark.parametrize("typed", ["öztürk", "user2", "person2@example.org", "Chloé Öztürk"])
    def test_who_may_not_see_names_finds_nobody_by_one(self, visit, told, typed):
        told([2])
        page = look_for(visit("viewer"), typed)
        assert names(page) == []
        assert "whole id only" in page.text

    def test_who_may_not_see_names_finds_by_id_and_sees_none(self, visit, told):
        told([2])
        page = look_for(visit("viewer"), "p2")
        assert names(page) == ["Person p2"]
        for name in ("Öztürk", "user2", "example.org"):
            assert name not in page.text

    def test_nobody_of_an_environment_that_may_not_be_read(self, visit, told):
        told([2], environment="elsewhere")
        assert names(look_for(visit("user"), "p2")) == []

    def test_in_dutch(self, visit, told):
        assert "Niemand gevonden" in look_for(visit("user", language="nl"), "p2").text


class TestOne:
    def page(self, visit, role, typed="p2"):
        return visit(role).get(first_link(look_for(visit(role), typed)))

    def test_everything_in_every_environment_the_latest_first(self, visit, told, noord):
        run = told([2])
        told(
            [2], "failed", code="answer_lost", message="No answer.", environment="noord", at=NOW + dt.timedelta(days=1)
        )
        page = self.page(visit, "user")
        text = shown(page)
        assert text.index("Noord Create Failed") < text.index("Demo Create Done")
        assert "No answer." in text
        assert "Look the account up in Moodle" in text
        assert "Last name" in text
        assert f"/moodle/runs/{run.id}" in page.text

    def test_mismatches_decisions_and_protections(self, visit, ledger):
        ids = compare(ledger, every_kind())
        decide(ledger, ids["P2"], 1, Choice(DecisionKind.DO_NOT_TOUCH, "ineke", note="Ask the school"))
        text = shown(visit("user").get(f"/people/demo/m{ids['P2']}"))
        assert "Mismatch Found under another ID number Applied" in text
        assert "ineke decided: Do not touch" in text
        assert "Ask the school" in text
        assert "ineke protected account 22" in text
        assert "Protected account 22 , by ineke" in text

    def test_an_account_without_a_person(self, visit, ledger):
        ids = compare(ledger, every_kind())
        page = visit("user").get(f"/people/demo/m{ids['33']}")
        assert "Account without person" in shown(page)

    def test_what_people_did(self, visit, ledger, told):
        told([2])
        activity.note(ledger, by="anna", environment="demo", action="explain", subject="p2")
        assert "anna looked at the way from the source to Moodle" in shown(self.page(visit, "user"))

    def test_who_may_not_see_names_sees_none(self, visit, ledger, told):
        told(
            [2], message="Chloé is here", changes=json.dumps({"lastname": ["Jansen", "Öztürk"], "idnumber": ["", "x2"]})
        )
        page = self.page(visit, "viewer")
        for name in ("Chloé", "Jansen", "Öztürk", "user2", "example.org", "Explain", "Provision now"):
            assert name not in page.text, name
        assert "••••" in page.text
        assert "x2" in page.text

    def test_who_may_not_see_names_sees_no_evidence_and_no_note(self, visit, ledger):
        ids = compare(ledger, every_kind())
        decide(ledger, ids["P2"], 1, Choice(DecisionKind.LATER, "ineke", note="Ayşe will call"))
        page = visit("viewer").get(f"/people/demo/m{ids['P2']}")
        assert "Ayşe" not in page.text
        assert "example.org" not in page.text

    def test_an_environment_that_may_not_be_read_is_left_out(self, visit, told):
        told([2])
        told([2], environment="elsewhere", message="Secret")
        assert "Secret" not in self.page(visit, "admin").text

    @pytest.mark.parametrize("ref", ["o999", "m999", "a999", "x", "xnonsense", "z1", "o", "o1;", "o" + "9" * 30, "%00"])
    def test_nobody_is_there(self, visit, ref):
        assert visit("user").get(f"/people/demo/{ref}").status_code == 404

    def test_a_row_of_another_environment_leads_nowhere(self, visit, told, noord):
        told([2])
        ref = first_link(look_for(visit("user"), "p2")).rsplit("/", 1)[1]
        assert visit("user").get(f"/people/noord/{ref}").status_code == 404

    def test_a_script_is_a_name(self, visit, told):
        told([2], lastname=SCRIPT, message=SCRIPT, changes=json.dumps({"lastname": [SCRIPT, "x"]}))
        page = self.page(visit, "user")
        assert SCRIPT not in page.text
        assert f"Chloé {SCRIPT}" in shown(page)


class TestExplain:
    def test_five_steps_and_nothing_is_written(self, visit, ledger, school):
        where = f"/people/demo/{sealed('CV-00001')}/explain"
        page = visit("user").send_form(where, htmx=True)
        text = shown(page)
        titles = (
            "Found in the source",
            "In scope and valid",
            "Username and fields",
            "Matched with an account",
            "What is written",
        )
        assert [title for title in titles if title in text] == list(titles)
        assert "<html" not in page.text
        assert {call.function for call in school.calls.all()}.isdisjoint(
            {"core_user_create_users", "core_user_update_users"}
        )
        (done,) = activity.recent(ledger, "demo")
        assert (done.by, done.action, done.subject) == ("user", "explain", SULE)

    def test_without_javascript_the_page_holds_them(self, visit, school):
        page = visit("user").send_form(f"/people/demo/{sealed('CV-00001')}/explain")
        assert "<html" in page.text
        assert "Matched with an account" in page.text

    def test_someone_the_source_does_not_have(self, visit, school):
        text = shown(visit("user").send_form(f"/people/demo/{sealed('nobody-here')}/explain", htmx=True))
        assert "Not there." in text

    def test_in_the_language_of_the_reader(self, visit, school):
        page = visit("user", language="nl").send_form(f"/people/demo/{sealed('nobody-here')}/explain", htmx=True)
        assert "Niet gevonden." in shown(page)
        assert 'lang="en"' not in page.text

    @pytest.mark.parametrize("typed", ["anna@example.org", "Anna de Vries", "nobody-here"])
    def test_what_was_typed_is_kept_nowhere(self, visit, ledger, school, typed):
        visit("user").send_form(f"/people/demo/{sealed(typed)}/explain", htmx=True)
        (done,) = activity.recent(ledger, "demo")
        assert (done.action, done.subject, done.detail) == ("explain", "", "")

    def test_paused(self, visit, ledger, school):
        paused()
        text = shown(visit("user").send_form(f"/people/demo/{sealed('CV-00001')}/explain", htmx=True))
        assert "the environment is paused" in text
        assert school.calls.all() == []
        assert activity.recent(ledger, "demo") == []

    def test_a_source_that_is_not_there(self, visit, school, mappings):
        shutil.rmtree(mappings.parent / "samples")
        page = visit("user").send_form(f"/people/demo/{sealed('CV-00001')}/explain", htmx=True)
        assert page.status_code == 200
        assert "persons.csv" in page.text

    def test_who_may_run_and_not_see_names_sees_no_values(self, visit, school, monkeypatch):
        monkeypatch.setattr(Access, "sees_names", lambda self, environment: False)
        text = shown(visit("user").send_form(f"/people/demo/{sealed('CV-00001')}/explain", htmx=True))
        assert "Username and fields" in text
        assert "example.org" not in text
        assert "firstname:" not in text

    def test_who_only_reads_may_not(self, visit):
        assert visit("viewer").send_form(f"/people/demo/{sealed('1')}/explain").status_code == 403

    def test_another_environment_takes_its_own_right(self, visit):
        where = f"/people/demo/{sealed('1')}/explain"
        assert visit("user").send_form(where, target="nowhere").status_code == 404


class TestProvision:
    def test_a_run_for_just_this_person(self, visit, ledger, mappings, source):
        from airflow.models.dagrun import DagRun
        from airflow.utils.session import create_session
        from sqlalchemy import select

        put(mappings)
        answer = visit("user").send_form(f"/people/demo/{sealed('CV-00001')}/provision")
        assert answer.status_code == 303
        assert answer.headers["location"].startswith(f"/moodle/runs/of?dag_id={PROVISION}&run_id=manual__")
        with create_session() as session:
            run = session.scalars(select(DagRun)).one()
            assert (run.dag_id, run.conf, run.triggering_user_name) == (PROVISION, {"person_ids": [SULE]}, "user")
            run_id = run.run_id
        (done,) = activity.recent(ledger, "demo")
        assert (done.by, done.action, done.subject, done.detail) == ("user", "provision", SULE, run_id)

    @pytest.mark.parametrize("typed", ["anna@example.org", "Anna de Vries", "nobody-here"])
    def test_nobodys_id_starts_nothing_and_is_kept_nowhere(self, visit, ledger, mappings, source, typed):
        put(mappings)
        visitor = visit("user")
        answer = visitor.send_form(f"/people/demo/{sealed(typed)}/provision")
        assert "has no person with this id" in shown(visitor.get(answer.headers["location"].removeprefix("/moodle")))
        assert activity.recent(ledger, "demo") == []

    def test_paused_starts_nothing(self, visit, ledger, mappings):
        put(mappings)
        paused()
        visitor = visit("user")
        answer = visitor.send_form(f"/people/demo/{sealed('1')}/provision")
        assert "Demo is paused" in shown(visitor.get(answer.headers["location"].removeprefix("/moodle")))
        assert activity.recent(ledger, "demo") == []

    def test_a_dag_that_is_not_there_yet(self, visit, source):
        answer = visit("user").send_form(f"/people/demo/{sealed('CV-00001')}/provision")
        assert answer.status_code == 409
        assert "does not have the Dag yet" in answer.text

    def test_an_account_without_a_person_has_nobody_to_provision(self, visit, ledger, mappings):
        import pandas as pd

        put(mappings)
        record_links(ledger, "demo", pd.DataFrame({"idnumber": ["CV-9"], "account_id": [99]}))
        assert visit("user").send_form("/people/demo/a98/provision").status_code == 404

    def test_who_only_reads_may_not(self, visit):
        assert visit("viewer").send_form(f"/people/demo/{sealed('1')}/provision").status_code == 403


def test_the_same_word_every_night_is_one_event(visit, told):
    for day in range(5):
        told([2], "skipped", code="mismatch", changes="{}", message="Waits.", at=NOW + dt.timedelta(days=day))
    told([2], "rejected", code="email_missing", changes="{}", at=NOW + dt.timedelta(days=6))
    page = visit("user").get(first_link(look_for(visit("user"), "p2")))
    assert shown(page).count("Waits.") == 1
    assert "5 runs in a row, since" in shown(page)
    assert page.text.count('<li data-kind="outcome">') == 2


@pytest.mark.parametrize("action", ["explain", "provision"])
@pytest.mark.parametrize(
    ("subject", "told"), [("anna@example.org", "••••"), ("Anna de Vries", "••••"), ("CV-1", "CV-1")]
)
def test_what_earlier_versions_kept_of_what_was_typed_is_masked_for_viewers(visit, ledger, action, subject, told):
    activity.note(ledger, by="user", environment="demo", action=action, subject=subject)
    assert subject in shown(visit("user").get("/environments/demo"))
    page = shown(visit("viewer").get("/environments/demo"))
    assert told in page
    assert (subject in page) == (subject == told)
