"""Deciding on mismatches, one and many, by whom; and having it applied."""

from __future__ import annotations

import html
import re

import pytest
from web.dags_in_airflow import clear, put
from web.mismatched import compare, every_kind, without_idnumber
from web.test_mismatches import counted, listed, noord, shown  # noqa: F401  # noord is a fixture

from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.hooks.pause import read_pause
from moodle_coupling.ledger import activity
from moodle_coupling.ledger.decisions import Choice, decide, decision_history, protections
from moodle_coupling.ledger.mismatches import get_mismatch
from moodle_coupling.web.base.access import Access


@pytest.fixture
def ids(ledger):
    return compare(ledger, every_kind())


@pytest.fixture
def many(ledger):
    """Five that propose a link, beside one of each kind."""
    one_each, five = every_kind(), without_idnumber(5)
    return compare(ledger, (one_each[0] + five[0], one_each[1] + five[1]))


def kinds(ledger, mismatch) -> list[str]:
    return [one.kind for one in decision_history(ledger, mismatch)]


def did(ledger, environment="demo") -> list[tuple[str, str, str, str]]:
    return [(one.by, one.action, one.subject, one.detail) for one in activity.recent(ledger, environment)]


def field(page, name: str) -> str:
    return html.unescape(re.search(rf'name="{name}" value="([^"]*)"', page.text)[1])


class TestOne:
    def test_one_click(self, visit, ledger, ids):
        answer = visit("user").send_form(
            f"/mismatches/{ids['P1']}/decide", version="1", choice="link:21", note=" seen it "
        )
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/moodle/mismatches/{ids['P2']}"  # what comes next
        (made,) = decision_history(ledger, ids["P1"])
        assert (made.kind, made.account_id, made.by, made.note) == ("link", 21, "user", "seen it")
        assert get_mismatch(ledger, ids["P1"])["status"] == "decided"
        assert did(ledger)[0] == ("user", "decide", f"mismatch {ids['P1']}", "link")

    def test_from_the_list_one_gets_the_list_as_it_is_now(self, visit, ids):
        path = f"/mismatches/{ids['P1']}/decide"
        answer = visit("user").send_form(path, htmx=True, version="1", choice="link:21", view="row")
        assert "<html" not in answer.text
        assert ids["P1"] not in listed(answer)
        assert len(listed(answer)) == 8
        assert counted(answer, "status") == {"all": 9, "open": 8, "decided": 1, "applied": 0, "gone": 0, "lapsed": 0}
        assert counted(answer, "by") == {}
        assert "Person P1: Link to account 21. Undo Apply now …" in shown(answer)
        again = visit("user").send_form(
            f"/mismatches/{ids['P2']}/decide?status=all", htmx=True, version="1", choice="ignore:", view="row"
        )
        assert len(listed(again)) == 9
        assert counted(again, "by") == {"user": 2}

    def test_from_its_page_the_next_of_the_list_opens(self, visit, ids):
        query = "?verdict=duplicate_account&verdict=held&sort=name&desc=1"
        order = listed(visit("user").get(f"/mismatches{query}"))
        assert set(order) == {ids["P7"], ids["P8"]}
        first, second = order
        page = visit("user").get(f"/mismatches/{first}{query}")
        assert "1 of 2" in shown(page)
        assert f'rel="next" href="/moodle/mismatches/{second}{html.escape(query)}"' in page.text
        choice = re.search(r'name="choice" value="([^"]*)"', page.text)[1]
        answer = visit("user").send_form(f"/mismatches/{first}/decide{query}", htmx=True, version="1", choice=choice)
        assert "<html" not in answer.text
        assert f"<title>Mismatch {second} · Moodle</title>" in answer.text
        assert "1 of 1" in shown(answer)
        assert answer.headers["HX-Push-Url"] == f"/moodle/mismatches/{second}{query}"
        last = visit("user").send_form(f"/mismatches/{second}/decide{query}", htmx=True, version="1", choice="ignore:")
        assert "Ignore. That was the last one of this list." in shown(last)
        assert "HX-Push-Url" not in last.headers
        assert "Decision Ignore user" in shown(last)

    def test_where_the_last_page_of_the_list_is_empty_now_the_one_before_it_opens(self, visit, ledger):
        numbers = sorted(compare(ledger, without_idnumber(26)).values())
        path = f"/mismatches/{numbers[-1]}/decide?size=25&offset=25"
        answer = visit("user").send_form(path, htmx=True, version="1", choice="ignore:", view="row")
        assert len(listed(answer)) == 25
        assert answer.headers["HX-Push-Url"] == "/moodle/mismatches?size=25"

    @pytest.mark.parametrize("htmx", [True, False])
    def test_the_second_analyst_is_told_and_nothing_is_overwritten(self, visit, ledger, ids, htmx):
        path = f"/mismatches/{ids['P1']}/decide"
        visit("admin").send_form(path, version="1", choice="link:21")
        visitor = visit("user")
        answer = visitor.send_form(path, htmx=htmx, version="1", choice="ignore:")
        page = answer if htmx else visitor.get(answer.headers["location"].removeprefix("/moodle"))
        assert re.search(
            r"admin was first: Link, at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\. Nothing was overwritten", shown(page)
        )
        assert kinds(ledger, ids["P1"]) == ["link"]

    def test_in_dutch(self, visit, ids):
        path = f"/mismatches/{ids['P1']}/decide"
        visit("admin").send_form(path, version="1", choice="link:21")
        answer = visit("user", language="nl").send_form(path, htmx=True, version="1", choice="ignore:")
        assert "admin was eerder: Koppelen, om" in shown(answer)

    def test_one_that_changed_by_itself(self, visit, ledger, ids):
        compare(ledger, without_idnumber(1), run="manual__2")
        answer = visit("user").send_form(f"/mismatches/{ids['P1']}/decide", htmx=True, version="1", choice="link:21")
        assert "It changed since the page was shown: it is 'Gone' now" in shown(answer)
        assert kinds(ledger, ids["P1"]) == []

    def test_a_decision_can_be_changed(self, visit, ledger, ids):
        path = f"/mismatches/{ids['P1']}/decide"
        visit("admin").send_form(path, version="1", choice="link:21")
        visit("user").send_form(path, version="2", choice="later:")
        assert kinds(ledger, ids["P1"]) == ["link", "later"]
        assert get_mismatch(ledger, ids["P1"])["status"] == "open"

    @pytest.mark.parametrize("choice", ["link:22", "link:", "rekey:21", "suspend:21", "nonsense", "", "later:21"])
    def test_what_is_not_offered_is_refused(self, visit, ledger, ids, choice):
        answer = visit("user").send_form(f"/mismatches/{ids['P1']}/decide", version="1", choice=choice)
        assert answer.status_code in {409, 422}
        assert kinds(ledger, ids["P1"]) == []

    def test_a_person_named_as_a_script_in_a_fragment(self, visit, ids):
        path = f"/mismatches/{ids['P4']}/decide"
        answer = visit("user").send_form(
            path, htmx=True, version="1", choice="rekey:24", view="row", note="<b>bold</b>"
        )
        assert "<script" not in answer.text
        assert "<b>" not in answer.text

    def test_who_may_only_look(self, visit, ledger, ids):
        answer = visit("viewer").send_form(f"/mismatches/{ids['P1']}/decide", version="1", choice="link:21")
        assert answer.status_code == 403
        assert "You may look, but not decide" in answer.text
        assert kinds(ledger, ids["P1"]) == []


class TestProtections:
    def test_do_not_touch_protects_at_once_and_is_taken_off(self, visit, ledger, ids):
        visit("user").send_form(
            f"/mismatches/{ids['P7']}/decide", version="1", choice="do_not_touch:", note="a test account"
        )
        assert protections(ledger, "demo")["account_id"].tolist() == [29, 30]
        text = shown(visit("user").get(f"/mismatches/{ids['P7']}"))
        assert "Account 29 is not to be touched, says user" in text
        assert "a test account" in text
        answer = visit("user").send_form(f"/mismatches/{ids['P7']}/unprotect", htmx=True, account="29")
        assert "Account 29 may be written again." in shown(answer)
        assert protections(ledger, "demo")["account_id"].tolist() == [30]
        visit("user").send_form(f"/mismatches/{ids['P7']}/unprotect", account="30")
        assert get_mismatch(ledger, ids["P7"])["status"] == "open"
        assert ("user", "unprotect", "account 30", "") in did(ledger)

    def test_one_that_was_taken_off_already(self, visit, ids):
        answer = visit("user").send_form(f"/mismatches/{ids['P7']}/unprotect", htmx=True, account="29")
        assert "Account 29 was not protected" in shown(answer)

    def test_only_of_accounts_that_the_mismatch_points_at(self, visit, ledger, ids):
        visit("user").send_form(f"/mismatches/{ids['P7']}/decide", version="1", choice="do_not_touch:")
        assert visit("user").send_form(f"/mismatches/{ids['P1']}/unprotect", account="29").status_code == 404
        assert len(protections(ledger, "demo")) == 2

    def test_a_viewer_sees_it_without_the_note(self, visit, ids):
        visit("user").send_form(
            f"/mismatches/{ids['P7']}/decide", version="1", choice="do_not_touch:", note="Maria herself"
        )
        page = visit("viewer").get(f"/mismatches/{ids['P7']}")
        assert "Account 29 is not to be touched, says user" in shown(page)
        assert "Maria" not in page.text
        assert "unprotect" not in page.text


class TestMany:
    def ask(self, visitor, **fields):
        return visitor.send_form("/mismatches/decide", **fields)

    def test_first_it_says_how_many_and_what_it_does(self, visit, ledger, many):
        page = self.ask(visit("user"), scope="all", verdict=["id_missing"])
        text = shown(page)
        assert "Decide on 6 mismatches" in text
        assert "Each account gets its person's ID number" in text
        assert "Found without ID number 6" in text
        assert "e-mail address and last name agree" in text
        assert "Link 6 accounts" in text
        assert [number for number in many.values() if kinds(ledger, number)] == []

    def test_then_it_decides_on_exactly_those(self, visit, ledger, many):
        page = self.ask(visit("user"), scope="all", proposal="link")
        done = self.ask(visit("user"), kind="link", rows=field(page, "rows"), note="same address and name")
        assert "6 mismatches decided: Link" in shown(done)
        decided = {number for number in many.values() if kinds(ledger, number)}
        assert len(decided) == 6
        assert {get_mismatch(ledger, number)["verdict"] for number in decided} == {"id_missing"}
        assert did(ledger)[0] == ("user", "decide", "", "link: 6 mismatches")

    def test_ticked_ones(self, visit, ledger, many):
        page = self.ask(visit("user"), scope="ticked", tick=[str(many["P1"]), str(many["33"])], verdict="held")
        assert "Decide on 2 mismatches" in shown(page)
        assert "Link 1 account" in shown(page)
        assert "Suspend 1 account" in shown(page)

    def test_nothing_ticked(self, visit, many):
        visitor = visit("user")
        answer = self.ask(visitor, scope="ticked", verdict="held")
        assert answer.headers["location"] == "/moodle/mismatches?verdict=held"
        assert "Nothing was ticked" in shown(visitor.get("/mismatches"))

    def test_rows_with_a_choice_of_account_are_left_out_and_counted(self, visit, ledger, many):
        page = self.ask(visit("user"), scope="all", verdict=["duplicate_account", "id_missing"])
        assert "1 points at several accounts: decide on it one by one." in shown(page)
        done = self.ask(visit("user"), kind="link", rows=field(page, "rows"))
        assert "6 mismatches decided: Link" in shown(done)
        assert "1 was left out" in shown(done)
        assert kinds(ledger, many["P7"]) == []
        assert kinds(ledger, many["P1"]) == ["link"]

    def test_a_link_that_reactivates_is_called_so_and_is_decided_apart(self, visit, ledger, many):
        page = self.ask(visit("user"), scope="all", verdict=["held", "id_missing"])
        assert "Link 6 accounts" in shown(page)
        assert "Reactivate 1 account" in shown(page)
        done = self.ask(visit("user"), kind="reactivate", rows=field(page, "rows"))
        assert "1 mismatch decided: Reactivate" in shown(done)
        assert kinds(ledger, many["P8"]) == ["link"]
        assert kinds(ledger, many["P1"]) == []
        text = shown(visit("user").get(f"/mismatches/{many['P8']}"))
        assert "Reactivate user" in text

    def test_an_account_that_is_the_only_one_possible_is_named_to_the_run(self, visit, ledger, many):
        page = self.ask(visit("user"), scope="all", verdict="duplicate_account")
        self.ask(visit("user"), kind="suspend", rows=field(page, "rows"))
        (made,) = decision_history(ledger, many["P7"])
        assert (made.kind, made.account_id) == ("suspend", 29)

    def test_only_as_proposed(self, visit, ledger, many):
        page = self.ask(visit("user"), scope="all")
        assert "Re-key 2 accounts, as proposed" in shown(page)
        assert "Re-key 3 accounts" in shown(page)
        self.ask(visit("user"), kind="rekey proposed", rows=field(page, "rows"))
        assert kinds(ledger, many["P2"]) == []
        assert kinds(ledger, many["P3"]) == ["rekey"]

    def test_those_that_changed_meanwhile_are_refused_and_named(self, visit, ledger, many):
        page = self.ask(visit("user"), scope="all", proposal="link")
        decide(ledger, many["P101"], 1, Choice(DecisionKind.IGNORE, "bram"))
        one_each, five = every_kind(), without_idnumber(4)
        compare(ledger, (one_each[0] + five[0], one_each[1] + five[1]), run="manual__2")
        done = self.ask(visit("user"), kind="link", rows=field(page, "rows"))
        text = shown(done)
        assert "4 mismatches decided: Link" in text
        assert "2 were not decided: they changed meanwhile" in text
        assert re.search(rf"Mismatch {many['P101']} bram was first: Ignore, at ", text)
        assert f"Mismatch {many['P104']} It changed since the page was shown: it is 'Gone' now" in text
        assert kinds(ledger, many["P101"]) == ["ignore"]

    def test_what_is_over_is_left_out(self, visit, ledger, many):
        compare(ledger, every_kind(), run="manual__2")
        page = self.ask(visit("user"), scope="all", status="all")
        assert "5 of them can be decided no more" in shown(page)
        assert len(field(page, "rows").split(",")) == 9

    def test_where_one_may_not_decide_nothing_is_decided(self, visit, ledger, many, noord, monkeypatch):  # noqa: F811
        page = self.ask(visit("user"), scope="all", proposal="link")
        may = Access.may
        monkeypatch.setattr(
            Access, "may", lambda self, right, name: may(self, right, name) and (right != "decide" or name != "noord")
        )
        again = self.ask(visit("user"), scope="all", proposal="link")
        assert "On 2 you may not decide." in shown(again)
        done = self.ask(visit("user"), kind="link", rows=field(page, "rows"))
        assert "2 were left out" in shown(done)
        assert [number for number in noord.values() if kinds(ledger, number)] == []

    @pytest.mark.parametrize(
        "fields", [{"kind": "link"}, {"kind": "nonsense", "rows": "1:1"}, {"kind": "link", "rows": "x:y,:,1"}]
    )
    def test_nonsense_is_refused(self, visit, many, fields):
        assert self.ask(visit("user"), **fields).status_code == 400

    def test_who_may_only_look(self, visit, many):
        assert self.ask(visit("viewer"), scope="all").status_code == 403

    def test_in_dutch(self, visit, many):
        text = shown(self.ask(visit("user", language="nl"), scope="all", proposal="link"))
        assert "Beslissen over 6 afwijkingen" in text
        assert "6 accounts koppelen" in text


class TestApply:
    @pytest.fixture(autouse=True)
    def dags(self, site, mappings):
        put(mappings)
        yield
        clear()

    @pytest.fixture
    def decided(self, ledger, ids):
        decide(ledger, ids["P1"], 1, Choice(DecisionKind.LINK, "anna", account_id=21))
        decide(ledger, ids["33"], 1, Choice(DecisionKind.SUSPEND, "anna", account_id=33))
        decide(ledger, ids["P8"], 1, Choice(DecisionKind.IGNORE, "anna"))
        return ids

    def runs(self):
        from airflow.models.dagrun import DagRun
        from airflow.utils.session import create_session
        from sqlalchemy import select

        with create_session() as session:
            return [
                (one.dag_id, one.conf, one.triggering_user_name, one.run_id) for one in session.scalars(select(DagRun))
            ]

    def test_a_run_for_just_these(self, visit, ledger, decided):
        visitor = visit("user")
        answer = visitor.send_form("/mismatches/apply", scope="all", status="all")
        ((dag_id, conf, by, run_id),) = self.runs()
        assert (dag_id, conf, by) == ("moodle_provision__demo", {"person_ids": ["P1"], "account_ids": [33]}, "user")
        assert did(ledger)[0] == ("user", "apply", "", f"2 decided: {run_id}")
        page = visitor.get(answer.headers["location"].removeprefix("/moodle"))
        assert run_id in shown(page)
        assert "/moodle/runs/of?dag_id=moodle_provision__demo&amp;run_id=" in page.text
        assert (
            f'href="/dags/moodle_provision__demo/runs/{run_id.replace(":", "%3A").replace("+", "%2B")}" data-airflow'
            in page.text
        )

    def test_of_one(self, visit, decided):
        assert "/moodle/mismatches/apply" in visit("user").get(f"/mismatches/{decided['P1']}").text
        visit("user").send_form("/mismatches/apply", scope="ticked", tick=str(decided["P1"]))
        assert self.runs()[0][1] == {"person_ids": ["P1"], "account_ids": []}

    def test_what_needs_no_run_offers_none(self, visit, decided):
        for name in ("P8", "P2"):
            assert "/moodle/mismatches/apply" not in visit("user").get(f"/mismatches/{decided[name]}").text
        visitor = visit("user")
        answer = visitor.send_form("/mismatches/apply", scope="ticked", tick=f"{decided['P8']},{decided['P2']}")
        assert self.runs() == []
        assert "Nothing to apply" in shown(visitor.get(answer.headers["location"].removeprefix("/moodle")))

    def test_a_run_for_each_environment(self, visit, ledger, decided, noord, mappings):  # noqa: F811
        put(mappings)
        decide(ledger, noord["P800"], 1, Choice(DecisionKind.LINK, "anna"))
        answer = visit("user").send_form("/mismatches/apply", scope="all", status="decided")
        assert {run[0]: run[1]["person_ids"] for run in self.runs()} == {
            "moodle_provision__demo": ["P1"],
            "moodle_provision__noord": ["P800"],
        }
        assert "2 runs were asked for" in shown(visit("user").get(answer.headers["location"].removeprefix("/moodle")))

    def test_not_while_paused(self, visit, decided, site):
        from airflow.models.variable import Variable

        Variable.set("moodle_coupling_paused__moodle_demo", "true")
        assert read_pause("moodle_demo") is not None
        visitor = visit("user")
        visitor.send_form("/mismatches/apply", scope="all", status="decided")
        assert self.runs() == []
        assert "Nothing was started: Demo is paused" in shown(visitor.get("/mismatches"))

    def test_a_dag_that_is_off_is_told(self, visit, decided, mappings):
        put(mappings, on=False)
        answer = visit("user").send_form("/mismatches/apply", scope="all", status="decided")
        page = visit("user").get(answer.headers["location"].removeprefix("/moodle"))
        assert "waits until somebody switches it on" in shown(page)

    def test_who_may_only_look(self, visit, decided):
        assert visit("viewer").send_form("/mismatches/apply", scope="all", status="decided").status_code == 403
        assert self.runs() == []

    def test_started_runs_of_an_environment_one_may_not_read(self, visit):
        assert visit("user").get("/mismatches/started?environment=nowhere&run=x").status_code == 404
        assert visit("user").get("/mismatches/started").status_code == 404

    def test_after_deciding_on_many(self, visit, ledger, ids):
        page = visit("user").send_form("/mismatches/decide", scope="all", proposal="re-key")
        done = visit("user").send_form("/mismatches/decide", kind="rekey", rows=field(page, "rows"))
        visit("user").send_form("/mismatches/apply", scope="ticked", tick=field(done, "tick"))
        assert self.runs()[0][1]["person_ids"] == ["P3", "P4"]


class TestProposalsThatAreAlikeEnough:
    def test_are_decided_together_with_their_number_and_a_sample_before(self, visit, ledger, many):
        visitor = visit("user")
        page = visitor.send_form("/mismatches/decide", scope="proposed", least="90")
        versions = re.search(r'name="rows" value="([^"]+)"', page.text)[1]
        # Of the nine that propose something one is an orphan, which is like nobody.
        assert len(versions.split(",")) == 8
        assert "proposed for 6" in shown(page)
        assert page.text.count("100% alike") >= 5
        visitor.send_form("/mismatches/decide", kind="link proposed", rows=versions)
        assert {kinds(ledger, number)[0] for person, number in many.items() if person.startswith("P10")} == {"link"}

    def test_are_found_and_sorted_by_it(self, visit, many):
        page = visit("viewer").get("/mismatches?sort=score&alike=100")
        assert "100% alike" in page.text
        assert not re.search(r"\b(\d\d?)% alike", page.text)

    def test_the_page_says_what_it_is_made_of(self, visit, many):
        page = shown(visit("viewer").get(f"/mismatches/{many['P2']}"))
        assert "80% alike" in page
        assert "Last name: the same but for spelling" in page or "Last name: the same" in page
        assert "ID number: differs" in page
