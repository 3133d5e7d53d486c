"""Taking decisions back, keys, giving mismatches to somebody, and what a run will write, shown before."""

from __future__ import annotations

import datetime as dt
import html
import re

import pytest
from web.dags_in_airflow import clear, put
from web.mismatched import compare, every_kind, without_idnumber
from web.test_mismatches import counted, listed, shown
from web.test_mismatches_deciding import did, field

from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.ledger.decisions import Choice, decide, decision_history, mark_applied, protections
from moodle_coupling.ledger.intentions import plan_intentions
from moodle_coupling.ledger.mismatches import get_mismatch
from moodle_coupling.ledger.runs import begin_run, end_run
from moodle_coupling.ledger.words import RunState


@pytest.fixture
def ids(ledger):
    return compare(ledger, every_kind())


class TestTakingBack:
    def test_undo_in_the_notice_opens_the_mismatch_again(self, visit, ledger, ids):
        visitor = visit("user")
        sent = visitor.send_form(f"/mismatches/{ids['P1']}/decide?sort=name", version="1", choice="link:21")
        page = visitor.get(sent.headers["location"].removeprefix("/moodle"))
        action, version = re.search(
            r'action="/moodle(/mismatches/\d+/withdraw[^"]*)".*?name="version" value="(\d+)"', page.text
        ).groups()
        answer = visitor.send_form(html.unescape(action), version=version)
        assert answer.headers["location"].startswith(f"/moodle/mismatches/{ids['P1']}?sort=name")
        shows = shown(visitor.get(answer.headers["location"].removeprefix("/moodle")))
        assert "Person P1: taken back, and open again." in shows
        assert "Taken back by user" in shows
        assert get_mismatch(ledger, ids["P1"])["status"] == "open"
        assert did(ledger)[0] == ("user", "take back", f"mismatch {ids['P1']}", "link")

    def test_from_the_list_one_gets_the_list(self, visit, ids):
        visitor = visit("user")
        visitor.send_form(f"/mismatches/{ids['P7']}/decide", version="1", choice="do_not_touch:")
        answer = visitor.send_form(f"/mismatches/{ids['P7']}/withdraw", htmx=True, version="2", view="row")
        assert ids["P7"] in listed(answer)
        assert "taken back" in shown(answer)

    def test_a_decision_on_its_page_is_taken_back_by_whoever_may_decide(self, visit, ledger, ids):
        decide(ledger, ids["P7"], 1, Choice(DecisionKind.DO_NOT_TOUCH, by="bram"))
        page = visit("user").get(f"/mismatches/{ids['P7']}")
        assert "Take back" in shown(page)
        assert "Take back" not in shown(visit("viewer").get(f"/mismatches/{ids['P7']}"))
        assert visit("viewer").send_form(f"/mismatches/{ids['P7']}/withdraw", version="2").status_code == 403
        visit("user").send_form(f"/mismatches/{ids['P7']}/withdraw", version="2")
        assert protections(ledger, "demo").empty
        assert [one.withdrawn_by for one in decision_history(ledger, ids["P7"])] == ["user"]

    def test_what_a_run_carried_out_is_not(self, visit, ledger, ids):
        made = decide(ledger, ids["P1"], 1, Choice(DecisionKind.LINK, by="bram", account_id=21))
        mark_applied(ledger, "run 9", [made.id])
        assert "Take back" not in shown(visit("user").get(f"/mismatches/{ids['P1']}"))
        answer = visit("user").send_form(f"/mismatches/{ids['P1']}/withdraw", htmx=True, version="3")
        assert "it is 'Applied' now" in shown(answer)
        assert get_mismatch(ledger, ids["P1"])["status"] == "applied"

    def test_many_are_taken_back_together(self, visit, ledger):
        many = compare(ledger, without_idnumber(5))
        visitor = visit("user")
        page = visitor.send_form("/mismatches/decide", scope="all")
        done = visitor.send_form("/mismatches/decide", kind="link", rows=field(page, "rows"))
        assert "Take 5 back" in shown(done)
        decide(ledger, many["P100"], 2, Choice(DecisionKind.IGNORE, by="bram"))
        visitor.send_form("/mismatches/withdraw", rows=field(done, "rows"))
        text = shown(visitor.get("/mismatches"))
        assert "4 decisions were taken back. 1 was not: a run has carried it out, or it changed since." in text
        assert sorted(get_mismatch(ledger, number)["status"] for number in many.values()) == ["decided", *["open"] * 4]
        assert visit("viewer").send_form("/mismatches/withdraw", rows="1:1").status_code == 403


class TestKeys:
    def test_are_explained_and_can_be_switched_off(self, visit, ids):
        visitor = visit("user")
        for path in ("/mismatches", f"/mismatches/{ids['P1']}"):
            page = visitor.get(path)
            assert 'data-keys="on"' in page.text
            assert "keys.js" in page.text
            assert "They do nothing while you type in a field." in shown(page)
        answer = visitor.send_form("/mismatches/keys", keys="off", verdict="held")
        assert answer.headers["location"] == "/moodle/mismatches?verdict=held"
        assert 'data-keys="off"' in visitor.get("/mismatches").text
        visitor.send_form("/mismatches/keys", keys="on")
        assert 'data-keys="on"' in visitor.get("/mismatches").text
        assert visitor.send_form("/mismatches/keys", keys="perhaps").status_code == 404


class TestAssigning:
    def test_one_to_a_colleague_by_a_day(self, visit, ledger, ids):
        visitor = visit("user")
        answer = visitor.send_form(f"/mismatches/{ids['P1']}/assign", htmx=True, to="bram", until="2026-03-31")
        assert "1 mismatch assigned to bram. Due 2026-03-31." in shown(answer)
        row = get_mismatch(ledger, ids["P1"])
        assert (row["assigned_to"], row["due"]) == ("bram", "2026-03-31")
        assert did(ledger)[0] == ("user", "assign", f"mismatch {ids['P1']}", "bram")
        page = visitor.get(f"/mismatches/{ids['P1']}")
        assert '<option value="bram">' in page.text
        assert "I take it" in shown(page)
        assert "assigned mismatches to" in shown(visitor.get("/environments/demo"))

    def test_many_and_found_by_whose_they_are(self, visit, ids):
        visitor = visit("user")
        assert counted(visitor.get("/mismatches"), "assigned") == {}
        visitor.send_form("/mismatches/assign", scope="ticked", tick=[str(ids["P1"]), str(ids["P2"])], to="user")
        visitor.send_form("/mismatches/assign", scope="all", verdict="held", to="bram", until="2020-01-01")
        page = visitor.get("/mismatches?assigned=*me")
        assert set(listed(page)) == {ids["P1"], ids["P2"]}
        assert counted(page, "assigned") == {"*me": 2, "*nobody": 6, "bram": 1}
        assert listed(visit("admin").get("/mismatches?assigned=*me")) == []
        assert listed(visitor.get("/mismatches?assigned=bram&due=overdue")) == [ids["P8"]]
        assert len(listed(visitor.get("/mismatches?due=none&assigned=*nobody"))) == 6
        visitor.send_form("/mismatches/view", view="compact")
        page = visitor.get("/mismatches?sort=due&desc=0")
        assert listed(page)[0] == ids["P8"]
        assert "Overdue 2020-01-01" in shown(page)

    @pytest.mark.clock
    def test_due_within_a_week(self, visit, ids):
        visitor = visit("user")
        today = dt.datetime.now(dt.UTC).date()
        for person, days in (("P1", -1), ("P2", 7), ("P3", 8)):
            day = (today + dt.timedelta(days=days)).isoformat()
            visitor.send_form(f"/mismatches/{ids[person]}/assign", until=day)
        assert set(listed(visitor.get("/mismatches?due=week"))) == {ids["P1"], ids["P2"]}
        assert listed(visitor.get("/mismatches?due=overdue")) == [ids["P1"]]

    def test_what_is_no_day_or_nothing_changes_nothing(self, visit, ledger, ids):
        answer = visit("user").send_form(f"/mismatches/{ids['P1']}/assign", htmx=True, to="bram", until="31-3-2026")
        assert "'31-3-2026' is no day" in shown(answer)
        assert get_mismatch(ledger, ids["P1"])["assigned_to"] == ""
        visitor = visit("user")
        visitor.send_form("/mismatches/assign", scope="ticked", to="bram")
        assert "Nothing was ticked" in shown(visitor.get("/mismatches"))

    def test_who_may_only_look(self, visit, ids):
        assert visit("viewer").send_form(f"/mismatches/{ids['P1']}/assign", to="x").status_code == 403
        assert visit("viewer").send_form("/mismatches/assign", scope="all", to="x").status_code == 403
        assert "Assign" not in shown(visit("viewer").get("/mismatches"))

    def test_it_is_in_the_export(self, visit, ids):
        visit("user").send_form(f"/mismatches/{ids['P1']}/assign", to="bram", until="2026-03-31")
        lines = visit("user").send_form("/mismatches/export.csv", assigned="bram").text.splitlines()
        assert len(lines) == 2
        assert {"Assigned to", "Due"} <= set(lines[0].split(","))
        assert "bram,2026-03-31" in lines[1]


class TestBeforeApplying:
    @pytest.fixture(autouse=True)
    def dags(self, site, mappings):
        put(mappings)
        yield
        clear()

    @pytest.fixture
    def decided(self, ledger, ids):
        decide(ledger, ids["P1"], 1, Choice(DecisionKind.LINK, "anna", account_id=21))
        decide(ledger, ids["P2"], 1, Choice(DecisionKind.REKEY, "anna", account_id=22))
        decide(ledger, ids["33"], 1, Choice(DecisionKind.SUSPEND, "anna", account_id=33))
        decide(ledger, ids["P8"], 1, Choice(DecisionKind.LINK, "anna"))
        return ids

    def loaded(self, ledger):
        """Let a load have ended well, so that the next one is not the first."""
        run = begin_run(ledger, "demo", "moodle_reconcile__demo", "manual__0", mode="full")
        plan_intentions(ledger, run.id, ["0"], digest="digest")
        end_run(ledger, run.id, RunState.DONE, counts={"in_scope": 400})

    def test_it_shows_what_will_be_written_and_starts_nothing(self, visit, ledger, decided):
        from moodle_coupling.ledger.activity import recent

        page = visit("user").send_form("/mismatches/apply/preview", scope="all", status="decided")
        text = shown(page)
        assert "ID number: none" in text or "ID number: – → becomes E1" in text
        assert "First name: Jurgen → becomes Jürgen" in text
        assert "ID number: A-99 → becomes E2" in text
        assert "Reactivate" in text
        assert "Start the run for 4 mismatches" in text
        assert not [one for one in recent(ledger, "demo") if one.action == "apply"]

    def test_it_says_that_the_first_load_waits_for_approval(self, visit, decided):
        text = shown(visit("user").send_form("/mismatches/apply/preview", scope="all", status="decided"))
        assert "Waits for approval The run will stop before it writes anything" in text

    def test_and_that_nothing_waits_within_the_safeguards(self, visit, ledger, decided):
        self.loaded(ledger)
        text = shown(visit("user").send_form("/mismatches/apply/preview", scope="all", status="decided"))
        assert "Writes at once" in text
        assert "Waits for approval" not in text

    def test_too_many_new_id_numbers_wait_and_the_list_is_bounded(self, visit, ledger):
        many = compare(ledger, without_idnumber(30))
        self.loaded(ledger)
        visitor = visit("user")
        page = visitor.send_form("/mismatches/decide", scope="all")
        done = visitor.send_form("/mismatches/decide", kind="link", rows=field(page, "rows"))
        page = visitor.send_form("/mismatches/apply/preview", scope="ticked", tick=field(done, "tick"))
        text = shown(page)
        assert "Waits for approval" in text
        assert "Link 30 accounts" in text
        assert "and 10 more" in text
        assert len(field(page, "tick").split(",")) == len(many) == 30
        started = visitor.send_form("/mismatches/apply", scope="ticked", tick=field(page, "tick"))
        assert "/mismatches/started" in started.headers["location"]

    def test_a_paused_environment_and_a_dag_that_is_off_are_said(self, visit, decided, mappings):
        from airflow.models.variable import Variable

        put(mappings, on=False)
        assert "Switched off in Airflow" in shown(
            visit("user").send_form("/mismatches/apply/preview", scope="all", status="decided")
        )
        Variable.set("moodle_coupling_paused__moodle_demo", "true")
        text = shown(visit("user").send_form("/mismatches/apply/preview", scope="all", status="decided"))
        assert "Paused Nothing is started here" in text
        assert "Start the run" not in text

    def test_only_for_who_may_run(self, visit, decided):
        assert visit("viewer").send_form("/mismatches/apply/preview", scope="all").status_code == 403
        visitor = visit("user")
        visitor.send_form("/mismatches/apply/preview", scope="ticked", tick=str(decided["P3"]))
        assert "Nothing to apply" in shown(visitor.get("/mismatches"))
