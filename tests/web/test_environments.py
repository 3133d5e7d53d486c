"""The Environments page: what its cards tell, what refreshes, and what its buttons do."""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from html import unescape

import pytest
from ledger.frames import found, mismatch
from sqlalchemy import Engine, event
from web.dags_in_airflow import clear, put
from web.filling import SCRIPT

from moodle_coupling.hooks.pause import read_pause
from moodle_coupling.ledger import activity, approvals, leases
from moodle_coupling.ledger.errors import LedgerUnavailable
from moodle_coupling.ledger.mismatches import record_mismatches
from moodle_coupling.ledger.runs import begin_run, end_run
from moodle_coupling.ledger.shared_documents import Outage, note_outage
from moodle_coupling.ledger.words import RunState
from moodle_coupling.sandbox.coachview import running_coachview
from moodle_coupling.sandbox.moodle import running_moodle

CONNECTION = "moodle_demo"


@pytest.fixture(autouse=True)
def clean(site):
    yield
    clear()


@pytest.fixture
def dags(mappings):
    return lambda *, on=True: put(mappings, on=on)


def run(ledger, *, state=RunState.DONE, mode="full", number=1, reason="", **counts):
    begun = begin_run(ledger, "demo", "moodle_reconcile__demo", f"manual__{number}", mode=mode)
    if state is not RunState.RUNNING:
        end_run(ledger, begun.id, state, counts=counts, reason=reason)
    return begun


def title_in(mappings, title):
    path = mappings / "demo.yaml"
    path.write_text(path.read_text().replace("title: Demo", f"title: {title!r}"))


def done(ledger):
    return [(one.by, one.action, one.detail) for one in activity.recent(ledger, "demo")]


def status(html: str) -> str:
    """Give the text of the status part, spaces made one."""
    part = html.split('id="status-demo"', 1)[1].split(">", 1)[1].split('<div id="actions-demo"', 1)[0]
    return " ".join(re.sub(r"<[^>]+>", " ", part).split())


def button(html: str, what: str) -> bool:
    return f'action="/moodle/environments/demo/{what}"' in html


class TestACard:
    def test_before_airflow_has_read_the_dag(self, visit):
        told = status(visit("op").get("/").text)
        assert "Not in Airflow yet" in told
        assert "Last run none yet" in told
        assert "Active" not in told

    def test_active(self, visit, dags):
        dags()
        told = status(visit("op").get("/").text)
        assert told.startswith("Active Last run")
        assert "what changed: by hand only everything: by hand only" in told

    def test_switched_off_in_airflow(self, visit, dags):
        dags(on=False)
        told = status(visit("op").get("/").text)
        assert "Switched off in Airflow" in told
        assert "Active" not in told

    @pytest.mark.clock
    def test_its_next_runs(self, visit, dags):
        from airflow.models.dag import DagModel
        from airflow.utils.session import create_session
        from sqlalchemy import update

        now = dt.datetime.now(dt.UTC)
        dags()
        with create_session() as session:
            for kind, at in (("provision", -1), ("reconcile", 61)):
                mine = update(DagModel).where(DagModel.dag_id == f"moodle_{kind}__demo")
                session.execute(mine.values(next_dagrun_create_after=now + dt.timedelta(minutes=at)))
        assert "what changed: due now everything: in 1 hour" in status(visit("op").get("/").text)

    @pytest.mark.clock
    def test_paused_with_who_why_and_since_when(self, visit, dags):
        dags()
        visit("op").send_form("/environments/demo/pause", reason=SCRIPT)
        html = visit("viewer").get("/").text
        assert "Paused &lt;script&gt;alert(1)&lt;/script&gt; Paused by op, just now" in status(html)
        assert SCRIPT not in html
        assert "Active" not in status(html)

    @pytest.mark.parametrize("value", ["true", "{", '{"paused": true, "since": "last week", "by": "<b>"}'])
    def test_paused_by_hand_in_a_variable(self, visit, value):
        from airflow.models.variable import Variable

        Variable.set(f"moodle_coupling_paused__{CONNECTION}", value)
        html = visit("op").get("/").text
        assert "Paused" in status(html)
        assert "<b>" not in html

    @pytest.mark.clock
    def test_quarantined(self, visit, ledger, dags):
        dags()
        leases.impose(ledger, "demo", "27 of 40 <persons> failed")
        html = visit("op").get("/").text
        assert "Quarantined 27 of 40 &lt;persons&gt; failed Scheduled runs stay away until" in status(html)
        assert button(html, "lift")

    @pytest.mark.clock
    def test_a_quarantine_that_is_over(self, visit, ledger):
        leases.impose(ledger, "demo", "it failed", backoff=[dt.timedelta(seconds=-1)])
        assert "The next scheduled run tries again" in status(visit("op").get("/").text)

    def test_waiting_for_approval_leads_to_airflows_required_action(self, visit, ledger, dags):
        dags()
        waits = run(ledger, state=RunState.RUNNING)
        approvals.ask(ledger, waits.id, "digest", ["The source lost <half> its persons."])
        html = visit("user").get("/").text
        assert "Waits for approval The source lost &lt;half&gt; its persons. Asked just now" in status(html)
        way = "/dags/moodle_reconcile__demo/runs/manual__1/tasks/approve/required_actions"
        assert re.search(rf'href="{way}" data-airflow', html)

    def test_an_answered_question_waits_no_more(self, visit, ledger):
        waits = run(ledger, state=RunState.RUNNING)
        asked = approvals.ask(ledger, waits.id, "digest", ["Why?"])
        approvals.answer(ledger, asked.id, approvals.ApprovalAnswer.APPROVED, by="Anna")
        assert "Waits for approval" not in status(visit("user").get("/").text)

    @pytest.mark.clock
    def test_being_written(self, visit, ledger):
        leases.acquire(ledger, "demo", "moodle_provision__demo manual__7", ttl=dt.timedelta(minutes=5))
        assert "Written by moodle_provision__demo manual__7 , since just now" in status(visit("op").get("/").text)

    @pytest.mark.clock
    def test_its_last_run_in_numbers(self, visit, ledger):
        run(ledger, number=1, done_create=9)
        last = run(ledger, number=2, done_create=1234, done_update=2, rejected=1)
        html = visit("op").get("/").text
        assert "Last run Done Everything , just now 1,234 created 2 updated 1 rejected" in status(html)
        assert f'href="/moodle/runs/{last.id}"' in html

    def test_a_run_that_failed_says_why(self, visit, ledger):
        run(ledger, state=RunState.FAILED, reason="There is no plan: <check_site> did not succeed.")
        assert "Failed Everything , just now There is no plan: &lt;check_site&gt;" in status(visit("op").get("/").text)

    def test_open_mismatches_lead_to_the_list_of_that_verdict(self, visit, ledger):
        begun = run(ledger)
        rows = [mismatch("p1"), mismatch("p2"), mismatch("p3", "ambiguous")]
        record_mismatches(ledger, "demo", begun.id, found(*rows), full=True)
        html = visit("viewer").get("/").text
        assert "Open mismatches 3" in status(html)
        assert 'href="/moodle/mismatches?environment=demo&amp;verdict=id_differs"' in html
        assert "Found under another ID number 2" in status(html)

    def test_its_chart_tells_each_run_in_a_title(self, visit, ledger):
        run(ledger, number=1, done_create=3, failed=1)
        run(ledger, number=2, state=RunState.STOPPED, mode="dry run", planned_update=5)
        html = visit("op").get("/").text
        titles = re.findall(r"<title>(.*?)</title>", html)[1:]
        assert [title.split(" · ", 1)[1] for title in titles] == [
            "Everything · Done · 3 created, 0 updated, 0 rejected, 1 failed",
            "Dry run · Done · planned, nothing written: 0 created, 5 updated, 0 rejected, 0 failed",
        ]
        assert (
            'role="group" aria-label="The last 2 runs, oldest first: 3 created, 0 updated, 0 rejected, 1 failed"'
            in html
        )

    def test_a_name_is_text(self, visit, mappings):
        title_in(mappings, SCRIPT)
        for path in ("/", "/environments/demo"):
            html = visit("op").get(path).text
            assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
            assert SCRIPT not in html

    def test_a_mapping_file_that_is_wrong_is_a_card_with_the_error(self, visit, mappings):
        (mappings / "wrong.yaml").write_text("environment: wrong\nconnection: moodle_wrong\nidnumber: <b>\n")
        html = visit("op").get("/").text
        assert "Mapping file is wrong" in html
        assert "wrong.yaml:3:1: idnumber" in html
        assert "&lt;b&gt;" in html
        assert "idnumber: <b>" not in html
        assert 'action="/moodle/environments/wrong/pause"' in html
        assert 'action="/moodle/environments/wrong/reconcile"' not in html
        assert visit("op").get("/environments/wrong").status_code == 200

    def test_without_a_ledger_one_can_still_pause(self, visit, tmp_path, monkeypatch):
        monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__LEDGER_URL", f"sqlite:///{tmp_path}/none.db")
        visitor = visit("op")
        html = visitor.get("/").text
        assert "The ledger cannot be asked" in html
        assert "moodle-coupling db upgrade" in html
        assert visitor.send_form("/environments/demo/pause", reason="upgrade").status_code == 303
        assert str(read_pause(CONNECTION).reason) == "upgrade"
        said = visitor.send_form("/environments/demo/resume", htmx=True).text
        assert "Who did it is not noted" in said

    def test_a_ledger_that_goes_away_takes_only_what_it_knows(self, visit, ledger, monkeypatch):
        def away(*_args, **_kwargs):
            raise LedgerUnavailable("The ledger is away.")

        visitor = visit("op")
        visitor.get("/")
        monkeypatch.setattr(type(ledger), "reading", away)
        for path in ("/", "/environments/demo"):
            html = visitor.get(path).text
            assert "The ledger is away." in html
            assert button(html, "pause")

    def test_no_environment_yet_says_what_to_do(self, visit, mappings):
        (mappings / "demo.yaml").unlink()
        html = visit("op").get("/").text
        assert "There is no environment yet" in html
        assert str(mappings) in html
        assert "moodle-coupling setup ENV" in html

    def test_a_folder_that_is_not_there_is_no_environment(self, visit, mappings, monkeypatch):
        monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__MAPPINGS_FOLDER", str(mappings / "nowhere"))
        assert "There is no environment yet" in visit("op").get("/").text

    def test_a_changed_file_is_read_again(self, visit, mappings):
        assert "Demo" in visit("op").get("/").text
        title_in(mappings, "Another name")
        assert "Another name" in visit("op").get("/").text


class TestWhoSeesWhichButtons:
    @pytest.mark.parametrize(
        ("role", "seen"),
        [
            ("viewer", set()),
            ("user", {"dry-run", "reconcile"}),
            ("op", {"dry-run", "reconcile", "test", "pause"}),
            ("admin", {"dry-run", "reconcile", "test", "pause"}),
        ],
    )
    def test_only_those_one_may_press(self, visit, dags, role, seen):
        dags()
        html = visit(role).get("/").text
        every = ("dry-run", "reconcile", "test", "pause", "resume", "lift")
        assert {what for what in every if button(html, what)} == seen

    def test_paused_only_resume(self, visit, dags):
        dags()
        visit("op").send_form("/environments/demo/pause", reason="upgrade")
        html = visit("op").get("/").text
        every = ("dry-run", "reconcile", "test", "pause", "resume", "lift")
        assert [what for what in every if button(html, what)] == ["resume"]


class TestRefreshing:
    def known(self, html):
        return re.findall(r'name="known" value="([^"]+)"', html)

    def test_nothing_new_is_nothing_at_all(self, visit):
        visitor = visit("op")
        known = self.known(visitor.get("/").text)
        assert len(known) == 2
        answer = visitor.request("GET", "/cards", params={"known": known})
        assert (answer.status_code, answer.text) == (204, "")

    def test_only_the_part_that_changed(self, visit, ledger):
        visitor = visit("op")
        known = self.known(visitor.get("/").text)
        run(ledger, done_create=3)
        html = visitor.request("GET", "/cards", params={"known": known}).text
        assert re.findall(r'<div id="([^"]+)" hx-swap-oob="true">', html) == ["status-demo"]
        assert "3 created" in status(html + 'id="actions-demo"')

    def test_a_pause_changes_the_buttons_too(self, visit):
        visitor = visit("op")
        known = self.known(visitor.get("/").text)
        visit("admin").send_form("/environments/demo/pause", reason="upgrade")
        html = visitor.request("GET", "/cards", params={"known": known}).text
        assert re.findall(r'<div id="([^"]+)" hx-swap-oob="true">', html) == ["status-demo", "actions-demo"]
        assert button(html, "resume")

    def test_it_asks_every_15_seconds_and_only_for_what_stands_on_the_page(self, visit):
        assert 'hx-get="/moodle/cards" hx-trigger="every 15s"' in visit("op").get("/").text
        assert 'hx-get="/moodle/cards?only=demo" hx-trigger="every 15s"' in visit("op").get("/environments/demo").text


AWAY = dt.datetime(2026, 3, 1, 2, 15, tzinfo=dt.UTC)


def wait_for_moodle(ledger, environment="demo", **more):
    begun = begin_run(ledger, environment, f"moodle_provision__{environment}", "scheduled__1", mode="changed")
    waits = Outage(run=begun.id, what="moodle", since=AWAY, again=AWAY + dt.timedelta(minutes=9), **more)
    note_outage(ledger, environment, waits)
    return begun


class TestASiteThatIsAway:
    def test_the_card_and_the_run_say_since_when_and_when_it_is_tried_next(self, visit, dags, ledger):
        dags()
        begun = wait_for_moodle(ledger, attempt=3, attempts=4)
        said = "Moodle &#39;demo&#39; has not answered since 2026-03-01 02:15 UTC. Try 3 of 4 is at 02:24:00 UTC."
        told = status(visit("op").get("/").text)
        assert "Waits for Moodle" in told
        assert said in told
        assert "Active" not in told
        assert said in visit("op").get(f"/runs/{begun.id}").text
        end_run(ledger, begun.id, RunState.FAILED)  # killed, and so it never said that the wait was over
        assert "has not answered" not in visit("op").get("/").text
        assert "has not answered" not in visit("op").get(f"/runs/{begun.id}").text


class TestNothingWritten:
    @pytest.mark.parametrize(("state", "mode"), [(RunState.REJECTED, "full"), (RunState.STOPPED, "dry run")])
    def test_is_said_of_a_rejected_plan_and_a_dry_run(self, visit, ledger, state, mode):
        run(ledger, state=state, mode=mode, planned_create=3)
        told = status(visit("op").get("/").text)
        assert re.search(r", just now nothing written", told)
        assert "planned, nothing written: 3 created" in told
        assert "The last run created 0 updated 0" in told


class TestManyEnvironments:
    @pytest.fixture
    def fifty(self, mappings, ledger):
        text = (mappings / "demo.yaml").read_text()
        for number in range(49):
            name = f"school_{number:02}"
            made = text.replace("environment: demo", f"environment: {name}").replace("moodle_demo", f"moodle_{name}")
            (mappings / f"{name}.yaml").write_text(made.replace("title: Demo", f"title: School {number}"))
            begun = begin_run(ledger, name, f"moodle_reconcile__{name}", "manual__1", mode="full")
            end_run(ledger, begun.id, RunState.DONE, counts={"done_create": number})
        wait_for_moodle(ledger, "school_30")
        waits = begin_run(ledger, "school_20", "dag", "manual__2", mode="full")
        approvals.ask(ledger, waits.id, "digest", [])
        (mappings / "school_10.yaml").write_text("environment: [")
        leases.impose(ledger, "school_40", "41 of 100 failed")
        failed = begin_run(ledger, "school_05", "dag", "manual__2", mode="full")
        end_run(ledger, failed.id, RunState.FAILED)

    def test_are_a_table_with_a_line_each_the_urgent_first(self, visit, fifty):
        begun = time.perf_counter()
        html = visit("op").get("/").text
        assert time.perf_counter() - begun < 10
        lines = re.findall(r'<th scope="row">.*?<span class="mono muted small">(\w+)</span>(.*?)</tr>', html, re.DOTALL)
        assert len(lines) == 50
        assert [name for name, _ in lines[:6]] == [
            "school_40",
            "school_10",
            "school_20",
            "school_30",
            "school_05",
            "demo",
        ]
        of = {name: " ".join(re.sub(r"<[^>]+>", " ", line).split()) for name, line in lines}
        assert "Moodle &#39;school_30&#39; has not answered" in of["school_30"]
        assert "the last one failed" in of["school_05"]
        assert "none yet" in of["demo"]
        assert 'class="cards"' not in html

    def test_ask_the_ledger_no_more_than_one_does(self, visit, ledger, request):
        def questions():
            asked = []

            def note(connection, _cursor, statement, *_):
                if connection.engine.url == ledger._engine.url:
                    asked.append(statement)

            event.listen(Engine, "before_cursor_execute", note)
            visit("op").get("/")
            event.remove(Engine, "before_cursor_execute", note)
            return [one for one in asked if one.startswith("SELECT")]

        run(ledger, done_create=1)
        visit("op").get("/")  # what is found out once
        one = questions()
        request.getfixturevalue("fifty")
        visit("op").get("/")
        assert 0 < len(questions()) <= len(one) + 5  # of the few that something is the matter with

    def test_are_exchanged_as_a_whole_when_something_changed(self, visit, fifty, ledger):
        visitor = visit("op")
        again = unescape(re.search(r'hx-get="/moodle(/cards\?[^"]+)"', visitor.get("/").text)[1])
        assert visitor.get(again).status_code == 204
        leases.lift(ledger, "school_40", by="op")
        html = visitor.get(again).text
        assert html.strip().startswith('<div id="lines"')
        assert html.index("school_10") < html.index("school_40")


class TestPausing:
    def test_pause_and_resume_with_the_users_name(self, visit, ledger):
        visitor = visit("op")
        visitor.send_form("/environments/demo/pause", reason=" Upgrade to 5.1 ")
        pause = read_pause(CONNECTION)
        assert (str(pause.reason), pause.by) == ("Upgrade to 5.1", "op")
        visitor.send_form("/environments/demo/resume")
        assert read_pause(CONNECTION) is None
        assert done(ledger) == [("op", "resume", ""), ("op", "pause", "Upgrade to 5.1")]

    def test_a_second_pause_keeps_the_first_reason(self, visit, ledger):
        visit("op").send_form("/environments/demo/pause", reason="first")
        said = visit("admin").send_form("/environments/demo/pause", reason="second", htmx=True).text
        assert "It was paused already" in said
        assert str(read_pause(CONNECTION).reason) == "first"
        assert len(done(ledger)) == 1

    def test_resuming_what_was_not_paused(self, visit, ledger):
        assert "It was not paused" in visit("op").send_form("/environments/demo/resume", htmx=True).text
        assert done(ledger) == []

    def test_a_variable_of_the_machine_that_goes_before_ours(self, visit, monkeypatch):
        monkeypatch.setenv(f"AIRFLOW_VAR_MOODLE_COUPLING_PAUSED__{CONNECTION.upper()}", "true")
        answer = visit("op").send_form("/environments/demo/resume", htmx=True)
        assert answer.status_code == 409
        assert "STILL paused" in answer.text

    def test_htmx_gets_the_parts_and_the_notice(self, visit):
        answer = visit("op").send_form("/environments/demo/pause", reason="upgrade", htmx=True)
        parts = re.findall(r'id="([^"]+)" hx-swap-oob', answer.text)
        assert parts == ["status-demo", "actions-demo", "notice"]

    def test_without_script_one_is_led_back_and_told_once(self, visit):
        visitor = visit("op")
        answer = visitor.send_form("/environments/demo/pause", reason="upgrade", back="/environments/demo")
        assert (answer.status_code, answer.headers["location"]) == (303, "/moodle/environments/demo")
        visitor.cookies.set("moodle_notice", re.search("moodle_notice=([^;]+)", answer.headers["set-cookie"])[1])
        told = visitor.get("/environments/demo")
        assert "Paused. A load that is under way" in told.text
        assert 'moodle_notice=""' in told.headers["set-cookie"]

    def test_a_forged_notice_is_not_shown(self, visit):
        visitor = visit("op")
        visitor.cookies.set("moodle_notice", "WyJoYWhhIiwiYmFkIl0.x.y")
        assert visitor.get("/").status_code == 200

    def test_a_reason_that_is_too_long(self, visit):
        assert visit("op").send_form("/environments/demo/pause", reason="x" * 501).status_code == 422
        assert read_pause(CONNECTION) is None


class TestQuarantine:
    def test_lifting_it(self, visit, ledger):
        leases.impose(ledger, "demo", "it failed")
        assert "The quarantine is lifted" in visit("op").send_form("/environments/demo/lift", htmx=True).text
        assert leases.in_quarantine(ledger, "demo") is None
        assert leases.quarantine_history(ledger, "demo")[0].lifted_by == "op"
        assert done(ledger) == [("op", "lift quarantine", "")]

    def test_lifting_none(self, visit, ledger):
        assert "It was in no quarantine" in visit("op").send_form("/environments/demo/lift", htmx=True).text
        assert done(ledger) == []


class TestRunning:
    @pytest.mark.parametrize(
        ("what", "dry", "action"), [("dry-run", True, "dry run"), ("reconcile", False, "reconcile")]
    )
    def test_a_run_is_asked_for_in_the_users_name(self, visit, ledger, dags, what, dry, action):
        from airflow.models.dagrun import DagRun

        dags()
        assert "Asked for" in visit("user").send_form(f"/environments/demo/{what}", htmx=True).text
        (made,) = DagRun.find(dag_id="moodle_reconcile__demo")
        assert (made.conf, made.triggering_user_name) == ({"dry_run": dry}, "user")
        assert done(ledger) == [("user", action, made.run_id)]
        assert "1 run waits to begin" in status(visit("viewer").get("/").text)

    def test_a_switched_off_dag(self, visit, dags):
        dags(on=False)
        assert (
            "waits until somebody switches it on"
            in visit("user").send_form("/environments/demo/reconcile", htmx=True).text
        )

    def test_a_dag_that_is_not_there(self, visit, ledger):
        answer = visit("user").send_form("/environments/demo/reconcile", htmx=True)
        assert answer.status_code == 409
        assert "Airflow does not have the Dag yet" in answer.text
        assert done(ledger) == []

    def test_that_error_in_dutch(self, visit):
        answer = visit("user", language="nl").send_form("/environments/demo/reconcile", htmx=True)
        assert "Airflow heeft de DAG nog niet" in answer.text


class TestTestingTheConnection:
    @pytest.fixture
    def moodle(self, monkeypatch):
        with running_moodle() as sandbox:
            monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", connection(sandbox.url, sandbox.token))
            yield sandbox

    def test_what_is_found_is_explained(self, visit, ledger, moodle):
        answer = visit("op").send_form("/environments/demo/test", htmx=True).text
        assert "The connection is fit for a run" in answer
        assert "The service user may create accounts." in answer
        assert moodle.token not in answer
        assert done(ledger) == [("op", "check", "fit")]

    def test_one_that_passes_lifts_the_quarantine(self, visit, ledger, moodle):
        leases.impose(ledger, "demo", "it failed")
        assert "and the quarantine is lifted" in visit("op").send_form("/environments/demo/test", htmx=True).text
        assert leases.in_quarantine(ledger, "demo") is None

    def test_one_that_fails_says_what_to_mend(self, visit, ledger, moodle, monkeypatch):
        leases.impose(ledger, "demo", "it failed")
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", connection(moodle.url, "0" * 32))
        answer = visit("op").send_form("/environments/demo/test", htmx=True).text
        assert "not fit for a run" in answer
        assert "token" in answer
        assert "0" * 32 not in answer
        assert leases.in_quarantine(ledger, "demo") is not None
        assert done(ledger) == [("op", "check", "token_invalid")]

    def test_the_coachview_that_persons_come_from_is_tested_too(self, visit, ledger, moodle, mappings, monkeypatch):
        path = mappings / "demo.yaml"
        path.write_text(
            path.read_text()
            .replace("  type: file\n  path:", "  type: coachview\n  connection: cv\n  # path:", 1)
            .replace("    column: free1", "    column: city")
        )
        leases.impose(ledger, "demo", "it failed")
        with running_coachview(people=[]) as site:
            made = {"conn_type": "coachview", "host": site.url, "login": site.client_id, "password": "not-this-one"}
            monkeypatch.setenv("AIRFLOW_CONN_CV", json.dumps(made | {"extra": {"allow_http": True}}))
            answer = visit("op").send_form("/environments/demo/test", htmx=True).text
        assert "the quarantine is lifted, but where persons come from is not fit for a run" in answer
        assert "cv: " in answer
        assert "moodle_demo: " in answer
        assert "The service user may create accounts." in answer
        assert "not-this-one" not in answer
        assert done(ledger) == [("op", "check", "token_refused")]
        # Nothing is wrong with the Moodle, and that is what a quarantine is about.
        assert leases.in_quarantine(ledger, "demo") is None

    def test_without_script_it_is_a_page(self, visit, moodle):
        answer = visit("op").send_form("/environments/demo/test")
        assert answer.status_code == 200
        assert "The service user may create accounts." in answer.text
        assert "Mapping file" in answer.text
        assert 'name="back" value="/environments/demo"' in answer.text

    def test_a_paused_environment_is_left_alone(self, visit, ledger, moodle):
        visit("op").send_form("/environments/demo/pause", reason="upgrade")
        assert (
            "Not tested: the environment is paused" in visit("op").send_form("/environments/demo/test", htmx=True).text
        )
        assert moodle.calls.all() == []

    def test_a_connection_that_is_not_there(self, visit):
        answer = visit("op").send_form("/environments/demo/test", htmx=True)
        assert answer.status_code == 200
        assert "moodle_demo" in answer.text


def connection(url: str, token: str) -> str:
    return json.dumps({"conn_type": "moodle", "host": url, "password": token})


class TestTheEnvironmentsOwnPage:
    def test_the_mapping_with_what_each_key_means(self, visit):
        html = visit("viewer").get("/environments/demo").text
        row = re.search(r'<tr class="default">\s*<th scope="row"><code>rename</code>.*?</tr>', html, re.DOTALL)[0]
        assert "no" in row
        assert "default" in row
        assert "Give an existing account the new username when its parts change." in row
        assert re.search(
            r'<tr class="file">\s*<th scope="row"><code>recipe</code></th>\s*<td><code>first_infix_last', html
        )

    def test_the_connection_without_its_token(self, visit, monkeypatch):
        monkeypatch.setenv(
            f"AIRFLOW_CONN_{CONNECTION.upper()}",
            '{"conn_type": "moodle", "host": "https://moodle.example.org", "password": "0123456789abcdef0123456789abcdef",'
            ' "extra": {"proxy": "http://me:secret@proxy.example.org:3128", "default_lang": "nl", "batch_size": 100}}',
        )
        html = visit("viewer").get("/environments/demo").text
        assert "https://moodle.example.org" in html
        assert "0123456789abcdef" not in html
        assert "secret" not in html
        assert "••••••••" in html
        assert re.search(r'<tr class="file">\s*<th scope="row"><code>batch_size</code></th>\s*<td><code>100', html)
        assert re.search(r'<tr class="default">\s*<th scope="row"><code>read_timeout</code></th>\s*<td><code>120', html)

    def test_a_connection_that_is_missing_is_said(self, visit):
        assert "moodle_demo" in visit("viewer").get("/environments/demo").text.split('class="callout bad"', 1)[1]

    def test_what_people_did_lately(self, visit, ledger):
        activity.note(ledger, by="Anna <b>", environment="demo", action="pause", detail=SCRIPT)
        activity.note(ledger, by="Bram", environment="other", action="pause")
        html = visit("user").get("/environments/demo").text
        assert "Anna &lt;b&gt;" in html
        assert "Bram" not in html
        assert SCRIPT not in html

    def test_nothing_done_yet(self, visit):
        assert "whoever pauses, decides or starts a run is named here" in visit("user").get("/environments/demo").text
