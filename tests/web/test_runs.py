"""The list of runs and the report of one: what is told, of whom, to whom, and where it leads."""

from __future__ import annotations

import datetime as dt
import html
import json
import re

import pytest
from ledger.frames import outcomes
from matching.people import account, account_of, accounts_of, mapping, person, persons_frame, reasons_frame
from web.dags_in_airflow import clear, put
from web.filling import SCRIPT

from moodle_coupling.contract.facts import SourceFacts
from moodle_coupling.ledger import approvals
from moodle_coupling.ledger.intentions import plan_intentions
from moodle_coupling.ledger.outcomes import settle
from moodle_coupling.ledger.runs import begin_run, end_run, get_run, set_state, tell_progress
from moodle_coupling.ledger.words import ApprovalAnswer, RunState
from moodle_coupling.matching.plan import make_plan
from moodle_coupling.orchestration import staging
from moodle_coupling.web.base.forms import unseal
from moodle_coupling.web.environments.state import start
from moodle_coupling.web.runs.report import airflow_run
from moodle_coupling.words.sentence import Sentence

NOW = dt.datetime(2026, 1, 5, 2, 0, tzinfo=dt.UTC)
PROVISION, RECONCILE = "moodle_provision__demo", "moodle_reconcile__demo"


@pytest.fixture(autouse=True)
def clean(site):
    yield
    clear()


@pytest.fixture
def staged(tmp_path, monkeypatch):
    """The staging area, empty."""
    monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__STAGING_URL", f"file://{tmp_path}/staging")


@pytest.fixture
def asked(mappings, ledger, staged):
    """Ask for a run of Airflow's, which the ledger takes up; gives the ledger's run and its folder."""
    put(mappings)

    def made(*, dag_id=RECONCILE, mode="full", by="Anna"):
        started = start(dag_id, {}, by=by)
        run = begin_run(ledger, "demo", dag_id, started.run_id, mode=mode)
        known = airflow_run(dag_id, started.run_id)
        return run, staging.run_folder("demo", known.run_after, started.dag_id, started.run_id)

    return made


def loaded(ledger, run, *frames, planned=()):
    """Let a run write: its intentions, and what came of the rows."""
    rows = [str(row) for frame in frames for row in frame["row"]]
    plan_intentions(ledger, run.id, [*rows, *map(str, planned)], digest="a plan")
    for frame in frames:
        settle(ledger, run.id, frame)


def plan_of(*pairs, orphans=()):
    """Plan a full comparison of persons (dicts of matching.people) with their accounts (dicts, or None)."""
    accounts = [one for _, one in pairs if one is not None] + list(orphans)
    return make_plan(
        persons_frame([one for one, _ in pairs]), reasons_frame(), accounts_of(accounts), mapping(), full=True
    )


def shown(page) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def table(page) -> dict[str, list[str]]:
    """Give the head table: row → numbers, the total last."""
    part = page.text.split('class="headtable"', 1)[1].split("</table>", 1)[0]
    rows = re.findall(r'<tr[^>]*><th scope="row">([^<]+?) ?(?:<span.*?</span>)?</th>(.*?)</tr>', part, re.DOTALL)
    return {
        name.strip(): [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<td.*?</td>", cells, re.DOTALL)]
        for name, cells in rows
    }


def links(page, text: str) -> list[str]:
    hrefs = [html.unescape(href).removeprefix("/moodle") for href in re.findall(r'href="([^"]+)"', page.text)]
    return [href for href in hrefs if text in href and not href.startswith("/static/")]


class TestList:
    def test_what_to_do_when_there_was_no_run(self, visit):
        page = visit("viewer").get("/runs")
        assert "There was no run yet" in page.text
        assert "Begin with a dry run" in page.text

    def test_the_latest_first_with_what_came_of_it(self, visit, ledger):
        for number, mode in enumerate(("changed", "full")):
            run = begin_run(ledger, "demo", PROVISION, f"manual__{number}", mode=mode)
            end_run(ledger, run.id, RunState.DONE, counts={"done_create": number + 3, "rejected": 1})
        text = shown(visit("viewer").get("/runs"))
        assert text.index("Everything moodle_") < text.index("What changed moodle_")
        assert "4 created 1 rejected" in text

    def test_a_failed_run_says_why(self, visit, ledger):
        run = begin_run(ledger, "demo", PROVISION, "manual__1", mode="changed")
        end_run(ledger, run.id, RunState.FAILED, reason=f"{SCRIPT} did not succeed")
        page = visit("viewer").get("/runs")
        assert "Failed" in shown(page)
        assert f"{SCRIPT} did not succeed" in shown(page)
        assert SCRIPT not in page.text

    def test_of_one_dag(self, visit, ledger):
        begin_run(ledger, "demo", PROVISION, "manual__p", mode="changed")
        begin_run(ledger, "demo", RECONCILE, "manual__r", mode="full")
        text = shown(visit("viewer").get(f"/runs?dag_id={PROVISION}"))
        assert "What changed moodle_provision__demo" in text
        assert "Everything" not in text

    def test_of_a_dag_that_is_not_ours(self, visit):
        page = visit("viewer").get("/runs?dag_id=payroll")
        assert page.status_code == 200
        assert "This Dag is not one of the Moodle coupling" in page.text

    def test_of_an_environment_that_is_not_there(self, visit):
        assert visit("viewer").get("/runs?environment=nowhere").status_code == 404
        assert visit("viewer").get("/runs?dag_id=moodle_provision__nowhere").status_code == 404

    def test_many_runs_have_pages(self, visit, ledger):
        for number in range(60):
            begin_run(ledger, "demo", PROVISION, f"manual__{number}", mode="changed")
        first = visit("viewer").get("/runs")
        assert len(set(links(first, "/runs/"))) == 50
        second = visit("viewer").get(links(first, "offset=50")[0])
        assert len(set(links(second, "/runs/"))) == 10
        assert "There are no older runs" in visit("viewer").get("/runs?offset=100").text


class TestOf:
    def test_the_report_of_one_of_airflows_runs(self, visit, asked):
        run, _ = asked()
        answer = visit("viewer").get(f"/runs/of?dag_id={RECONCILE}&run_id={run.run_id.replace('+', '%2B')}")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/moodle/runs/{run.id}")

    def test_not_begun_yet_waits_for_it(self, visit, mappings, ledger):
        put(mappings)
        run_id = start(PROVISION, {}, by="Anna").run_id
        where = f"/runs/of?dag_id={PROVISION}&run_id={run_id.replace('+', '%2B')}"
        page = visit("viewer").get(where)
        assert "has not begun its work yet" in page.text
        assert 'hx-trigger="every 3s"' in page.text
        run = begin_run(ledger, "demo", PROVISION, run_id, mode="changed")
        answer = visit("viewer").get(where, headers={"HX-Request": "true"})
        assert answer.headers["hx-redirect"] == f"/moodle/runs/{run.id}"

    def test_ended_before_it_began(self, visit, mappings):
        from airflow.models.dagrun import DagRun
        from airflow.utils.session import create_session
        from sqlalchemy import update

        put(mappings)
        run_id = start(PROVISION, {}, by="Anna").run_id
        with create_session() as session:
            session.execute(update(DagRun).values(state="failed"))
        page = visit("viewer").get(f"/runs/of?dag_id={PROVISION}&run_id={run_id.replace('+', '%2B')}")
        assert "ended before it began its work" in page.text
        assert "hx-trigger" not in page.text.split("<main", 1)[1]

    def test_unknown(self, visit):
        page = visit("viewer").get(f"/runs/of?dag_id={PROVISION}&run_id=manual__never")
        assert page.status_code == 200
        assert "There is no report of this run" in page.text

    def test_not_ours(self, visit):
        assert "not one of the Moodle coupling" in visit("viewer").get("/runs/of?dag_id=payroll&run_id=x").text
        assert "not one of the Moodle coupling" in visit("viewer").get("/runs/of").text


class TestHead:
    def test_who_started_it_and_how_long_it_took(self, visit, ledger, asked):
        run, _ = asked(by="Anna Bos")
        end_run(ledger, run.id, RunState.DONE, counts={"linked.skipped": 4})
        page = visit("viewer").get(f"/runs/{run.id}")
        text = shown(page)
        assert "by hand (Anna Bos)" in text
        assert "Demo: Everything Done" in text
        assert f"/dags/{RECONCILE}/runs/" in page.text

    def test_the_table_of_a_run_that_ended(self, visit, ledger):
        run = begin_run(ledger, "demo", RECONCILE, "manual__1", mode="full")
        counts = {
            "linked.done": 2,
            "linked.skipped": 1500,
            "returned.done": 1,
            "new.done": 3,
            "new.failed": 1,
            "id_differs.skipped": 4,
            "held.skipped": 1,
            "orphan.unknown": 1,
            "protected.skipped": 2,
            "rejected.rejected": 5,
            "duplicate_person.rejected": 2,
            "done_create": 3,
        }
        end_run(ledger, run.id, RunState.DONE, counts=counts)
        assert table(visit("viewer").get(f"/runs/{run.id}")) == {
            "Linked": ["3", "·", "·", "1,500", "·", "1,503"],
            "New": ["3", "·", "1", "·", "·", "4"],
            "Disputed": ["·", "·", "·", "5", "·", "5"],
            "Unmatched": ["·", "·", "·", "·", "1", "1"],
            "Protected": ["·", "·", "·", "2", "·", "2"],
            "Rejected": ["·", "7", "·", "·", "·", "7"],
            "total": ["6", "7", "1", "1,507", "1", "1,522"],
        }

    def test_each_number_leads_to_its_rows(self, visit, ledger):
        run = begin_run(ledger, "demo", RECONCILE, "manual__1", mode="full")
        loaded(ledger, run, outcomes([1, 2], at=NOW), outcomes([3], "failed", code="unavailable", at=NOW))
        end_run(ledger, run.id, RunState.DONE, counts={"new.done": 2, "new.failed": 1})
        page = visit("viewer").get(f"/runs/{run.id}")
        (where,) = links(page, "status=failed&verdict=new")
        assert listed(visit("viewer").get(where.split("#")[0])) == ["Person p3"]

    def test_without_counts_the_outcomes_are_counted(self, visit, ledger):
        run = begin_run(ledger, "demo", RECONCILE, "manual__1", mode="full")
        loaded(ledger, run, outcomes([1, 2], at=NOW), outcomes([3], "rejected", verdict="", action="reject", at=NOW))
        end_run(ledger, run.id, RunState.FAILED, reason="load did not succeed")
        page = visit("viewer").get(f"/runs/{run.id}")
        assert table(page)["total"] == ["2", "1", "0", "0", "0", "3"]
        assert "did not finish" in page.text
        assert "load did not succeed" in page.text

    def test_a_run_that_is_not_there(self, visit):
        assert visit("viewer").get("/runs/nothing").status_code == 404
        assert visit("viewer").get("/runs/nothing/live").status_code == 404

    def test_a_run_of_an_environment_that_is_gone(self, visit, ledger):
        run = begin_run(ledger, "elsewhere", "moodle_provision__elsewhere", "manual__1", mode="full")
        assert visit("viewer").get(f"/runs/{run.id}").status_code == 404


class TestMending:
    def test_rejections_by_reason_with_how_to_mend_them(self, visit, ledger):
        run = begin_run(ledger, "demo", RECONCILE, "manual__1", mode="full")
        rejected = {"verdict": "", "action": "reject", "at": NOW}
        loaded(
            ledger,
            run,
            outcomes([1, 2, 3], "rejected", code="email_missing", **rejected),
            outcomes([4], "failed", code="unavailable", at=NOW),
        )
        end_run(ledger, run.id, RunState.DONE, counts={"rejected.rejected": 3, "new.failed": 1})
        page = visit("viewer").get(f"/runs/{run.id}")
        text = shown(page)
        assert "E-mail address missing email_missing Fill it in at the source. 3 persons" in text
        assert "Not sent: Moodle was away unavailable Run again when the site is back" in text
        (where,) = links(page, "code=email_missing")
        assert listed(visit("viewer").get(where.split("#")[0])) == ["Person p1", "Person p2", "Person p3"]

    def test_in_dutch(self, visit, ledger):
        run = begin_run(ledger, "demo", RECONCILE, "manual__1", mode="full")
        loaded(ledger, run, outcomes([1], "rejected", code="email_missing", verdict="", action="reject", at=NOW))
        end_run(ledger, run.id, RunState.DONE, counts={"rejected.rejected": 1})
        text = shown(visit("viewer", language="nl").get(f"/runs/{run.id}"))
        assert "E-mailadres ontbreekt email_missing Vul dit in de bron in. 1 persoon" in text

    @pytest.mark.parametrize(
        ("language", "heading", "field", "mend"),
        [
            ("en", "Fields that the service user may not see", "Town city", "Install what is missing on the site"),
            ("nl", "Velden die de servicegebruiker misschien niet ziet", "Plaats city", "Installeer"),
        ],
    )
    def test_hidden_fields_and_a_refused_value_are_named(self, visit, ledger, language, heading, field, mend):
        run = begin_run(ledger, "demo", RECONCILE, "manual__1", mode="full")
        said = "Moodle does not take lang 'nl'. 30 of the 30 persons to be written have that value"
        loaded(ledger, run, outcomes(range(30), "failed", code="value_not_taken", message=said, at=NOW))
        end_run(ledger, run.id, RunState.FAILED, reason=said, counts={"new.failed": 30, "unseen_city": 1})
        page = visit("viewer", language=language).get(f"/runs/{run.id}")
        text = shown(page)
        assert said in text
        assert f"{heading} {field}" in text
        assert "hiddenuserfields" in text
        assert "moodle/user:viewhiddendetails" in text
        assert mend in text


def listed(page) -> list[str]:
    """Give who stands in the rows, in their order."""
    return [html.unescape(name) for name in re.findall(r'class="name"[^>]*>([^<]+)<', page.text)]


class TestRows:
    @pytest.fixture
    def run(self, ledger):
        run = begin_run(ledger, "demo", RECONCILE, "manual__1", mode="full")
        update = {"verdict": "linked", "action": "update", "at": NOW}
        changes = json.dumps({"lastname": ["Jansen", SCRIPT], "suspended": [False, True]})
        loaded(
            ledger,
            run,
            outcomes(range(1, 61), at=NOW),
            outcomes([61], changes=changes, lastname=SCRIPT, firstname="Anna", **update),
            outcomes([62], "failed", code="answer_lost", message="No answer for Dirk.", at=NOW),
        )
        end_run(ledger, run.id, RunState.DONE, counts={"new.done": 60, "linked.done": 1, "new.failed": 1})
        return run

    def test_pages(self, visit, run):
        page = visit("user").get(f"/runs/{run.id}")
        assert len(listed(page)) == 50
        assert "1–50 of 62" in shown(page)
        fragment = visit("user").get(links(page, "offset=50")[0], headers={"HX-Request": "true"})
        assert len(listed(fragment)) == 12
        assert "<html" not in fragment.text
        assert "past the end" in visit("user").get(f"/runs/{run.id}?offset=500").text

    def test_old_and_new_with_what_differs_marked(self, visit, run):
        page = visit("user").get(f"/runs/{run.id}?action=update")
        assert listed(page) == [f"Anna {SCRIPT}"]
        assert SCRIPT not in page.text
        text = shown(page)
        assert "Last name" in text
        assert "no → becomes yes" in text.replace(" ", " ")

    def test_filters_and_what_was_chosen_stays(self, visit, run):
        page = visit("user").get(f"/runs/{run.id}?status=failed")
        assert listed(page) == ["Chloé Öztürk"]
        assert '<option value="failed" selected>' in page.text
        assert "No answer for Dirk." in page.text
        assert "Look the account up in Moodle" in page.text

    def test_a_search_goes_by_post_and_its_address_names_nobody(self, visit, run):
        visitor = visit("user")
        answer = visitor.send_form(f"/runs/{run.id}/filter", text="öztürk", status="done", verdict="", action="", of="")
        where = answer.headers["location"].removeprefix("/moodle")
        assert answer.status_code == 303
        assert "zt" not in where.split("q=")[0]
        assert unseal(re.search(r"q=([^&#]+)", where).group(1)) == "öztürk"
        assert set(listed(visitor.get(where.split("#")[0]))) == {"Chloé Öztürk"}

    def test_sorted_by_name(self, visit, run):
        names = listed(visit("user").get(f"/runs/{run.id}?sort=name"))
        assert names[:2] == [f"Anna {SCRIPT}", "Anna de Vries"]

    def test_nothing_fits(self, visit, run):
        page = visit("user").get(f"/runs/{run.id}?status=unknown")
        assert "Nothing fits this filter" in page.text

    @pytest.mark.parametrize("query", ["sort=nothing", "offset=-1", "offset=x", "verdict=x", "of=x", "q=x", "desc=z"])
    def test_what_nobody_knows_is_left_out(self, visit, run, query):
        assert len(listed(visit("user").get(f"/runs/{run.id}?{query}"))) == 50

    def test_a_row_leads_to_the_person(self, visit, run):
        page = visit("user").get(f"/runs/{run.id}?action=update")
        (where,) = links(page, "/people/demo/")
        assert f"Anna {SCRIPT}" in shown(visit("user").get(where))

    def test_who_may_not_see_names_sees_none(self, visit, run):
        page = visit("viewer").get(f"/runs/{run.id}?action=update")
        text = shown(page)
        assert listed(page) == ["Person p61"]
        assert "script" not in text
        assert "Jansen" not in text
        assert "user61" not in text
        assert "••••" in text
        assert "no → becomes yes" in text
        failed = visit("viewer").get(f"/runs/{run.id}?status=failed").text
        assert "Dirk" not in failed
        assert "The answer got lost" in failed

    def test_who_may_not_see_names_finds_nobody_by_one(self, visit, run):
        visitor = visit("viewer")
        assert 'name="text"' not in visitor.get(f"/runs/{run.id}").text
        sealed = visit("user").send_form(f"/runs/{run.id}/filter", text="öztürk").headers["location"]
        page = visitor.get(sealed.removeprefix("/moodle").split("#")[0])
        assert "62 rows" in shown(page)
        assert "öztürk" not in page.text
        assert listed(visitor.get(f"/runs/{run.id}?sort=name")) == listed(visitor.get(f"/runs/{run.id}"))


class TestPlan:
    @pytest.fixture
    def plan(self):
        anna, bram, cees = person(1), person(2, lastname=SCRIPT), person(3, email="c@example.org")
        return plan_of(
            (anna, account_of(anna, 21, lastname="Oud")),
            (bram, None),
            (cees, account(33, email="c@example.org")),
        )

    def test_a_dry_run_shows_what_would_come_of_it(self, visit, ledger, asked, plan):
        run, folder = asked(mode="dry run")
        staging.write_frame(folder, "plan", plan)
        end_run(ledger, run.id, RunState.STOPPED, counts={"planned_create": 1}, reason="a dry run")
        page = visit("user").get(f"/runs/{run.id}")
        assert "A dry run: nothing was written." in page.text
        assert table(page)["Linked"] == ["·", "1", "·", "·", "·", "·", "·", "1"]
        assert table(page)["total"][-1] == "3"
        assert set(listed(page)) == {"Anna Bos1", f"Anna {SCRIPT}", "Anna Bos3"}
        assert SCRIPT not in page.text

    def test_a_rejected_plan(self, visit, ledger, asked, plan):
        run, folder = asked()
        staging.write_frame(folder, "plan", plan)
        set_state(ledger, run.id, RunState.REJECTED, reason="rejected by Ineke")
        end_run(ledger, run.id, RunState.REJECTED, counts={"planned_create": 1}, reason="rejected by Ineke")
        text = shown(visit("user").get(f"/runs/{run.id}"))
        assert "The plan was rejected: nothing was written. rejected by Ineke" in text
        assert "3 rows" in text

    def test_a_plan_that_waits_leads_to_its_approval(self, visit, ledger, asked, plan):
        run, folder = asked()
        staging.write_frame(folder, "plan", plan)
        approvals.ask(ledger, run.id, "digest", ["The first load ever."])
        set_state(ledger, run.id, RunState.WAITING_APPROVAL, reason="The first load ever.")
        page = visit("user").get(f"/runs/{run.id}")
        assert "waits for an approval" in page.text
        assert "The first load ever." in page.text
        assert "/tasks/approve/required_actions" in page.text
        assert "3 rows" in shown(page)

    def test_a_plan_that_waits_shows_examples_of_what_each_safeguard_is_about(self, visit, ledger, asked):
        run, folder = asked()
        staging.write_frame(folder, "plan", plan_of(*((person(number), None) for number in range(1, 26))))
        first = Sentence("safeguard.first_load", n=25, total=0, share=1.0, limit=0).written()
        approvals.ask(ledger, run.id, "digest", [first, Sentence("safeguard.source_empty", n=1, total=1).written()])
        set_state(ledger, run.id, RunState.WAITING_APPROVAL)
        page = visit("user").get(f"/runs/{run.id}")
        part = page.text.split('class="callout warn"', 1)[1].split('aria-labelledby="found"', 1)[0]
        assert "25 rows of the plan, 10 of them here" in part
        assert part.count("of them here") == 1  # none for what is about the source
        assert part.count('<td class="person">') == 10
        assert "Anna Bos1" in part
        assert "Anna Bos1" not in visit("viewer").get(f"/runs/{run.id}").text

    def test_while_a_run_goes_on_its_badge_and_its_time_are_exchanged_too(self, visit, ledger):
        run = begin_run(ledger, "demo", RECONCILE, "manual__1", mode="full")
        visitor = visit("viewer")
        answer = visitor.get(f"/runs/{run.id}/live").text
        for part in ("run-state", "run-took"):
            assert f'id="{part}" hx-swap-oob="true"' in answer
            assert f'id="{part}">' in visitor.get(f"/runs/{run.id}").text
        set_state(ledger, run.id, RunState.WAITING_APPROVAL)
        assert "Waits for approval" in visitor.get(f"/runs/{run.id}/live").text.split('id="run-state"', 1)[1]

    def test_an_answered_question_is_no_question(self, visit, ledger, asked):
        run, _ = asked()
        asked_ = approvals.ask(ledger, run.id, "digest", ["The first load ever."])
        set_state(ledger, run.id, RunState.WAITING_APPROVAL, reason="The first load ever.")
        approvals.answer(ledger, asked_.id, ApprovalAnswer.APPROVED, by="Ineke")
        assert "required_actions" not in visit("user").get(f"/runs/{run.id}").text

    def test_filtered_searched_and_sorted(self, visit, ledger, asked, plan):
        run, folder = asked(mode="dry run")
        staging.write_frame(folder, "plan", plan)
        visitor = visit("user")
        assert listed(visitor.get(f"/runs/{run.id}?action=create")) == [f"Anna {SCRIPT}"]
        assert listed(visitor.get(f"/runs/{run.id}?verdict=disputed")) == ["Anna Bos3"]
        assert listed(visitor.get(f"/runs/{run.id}?sort=name&desc=1"))[0] == "Anna Bos3"
        for typed in ("BOS1 anna", "P1", "anna1@", "21"):
            where = visitor.send_form(f"/runs/{run.id}/filter", text=typed).headers["location"]
            found = listed(visitor.get(where.removeprefix("/moodle").split("#")[0]))
            assert found == ["Anna Bos1"], typed

    def test_a_plan_that_was_swept_says_so(self, visit, ledger, asked):
        run, _ = asked(mode="dry run")
        end_run(ledger, run.id, RunState.STOPPED, counts={"planned_create": 1}, reason="a dry run")
        page = visit("user").get(f"/runs/{run.id}")
        assert "The plan is not there" in page.text
        assert "staging_days" in page.text

    def test_looking_makes_no_folder(self, visit, ledger, asked, tmp_path):
        run, folder = asked(mode="dry run")
        folder.rmdir()
        visit("user").get(f"/runs/{run.id}")
        assert not folder.exists()

    def test_a_broken_file_is_no_plan(self, visit, ledger, asked):
        run, folder = asked(mode="dry run")
        staging.write_text(folder, "plan.parquet", "half a file")
        assert "The plan is not there" in visit("user").get(f"/runs/{run.id}").text

    def test_what_the_source_gives_to_think_about(self, visit, ledger, asked):
        run, folder = asked()
        staging.write_facts(
            folder, SourceFacts(everyone=True, warnings=("people of connection 'hr': 1 row is dated <2206>.",))
        )
        page = visit("user").get(f"/runs/{run.id}")
        assert "1 row is dated &lt;2206&gt;." in page.text
        staging.write_text(folder, SourceFacts.FILE, "half a")
        assert "gives to think about" not in visit("user").get(f"/runs/{run.id}").text

    def test_what_was_changed_by_hand_in_moodle(self, visit, ledger, asked, plan):
        run, folder = asked()
        plan["drift"] = [
            json.dumps({"lastname": ["Oud", "Bos1", "repaired"], "city": ["A", "B", "reported"]}),
            "{}",
            "{}",
        ]
        staging.write_frame(folder, "plan", plan)
        loaded(ledger, run, outcomes([1], verdict="linked", action="update", at=NOW))
        end_run(ledger, run.id, RunState.DONE, counts={"linked.done": 1})
        page = visit("user").get(f"/runs/{run.id}")
        assert "Changed by hand in Moodle" in page.text
        assert "Last name 1 0" in shown(page)
        (where,) = links(page, "drift=1")
        rows = visit("user").get(where.split("#")[0])
        assert listed(rows) == ["Anna Bos1"]
        by_hand = shown(rows).split("Row by row", 1)[1]
        assert by_hand.count("left as it is") == 1
        assert by_hand.count("Last name") == 1, "what is put right stands with the changes, once"
        assert re.search(r"Last name .* → becomes .* changed by hand in Moodle", by_hand)
        masked = shown(visit("viewer").get(where.split("#")[0]))
        assert "Oud" not in masked

    def test_whoever_reads_only_sees_no_names_in_it(self, visit, ledger, asked, plan):
        run, folder = asked(mode="dry run")
        staging.write_frame(folder, "plan", plan)
        page = visit("viewer").get(f"/runs/{run.id}")
        assert listed(page) == ["Person P1", "Person P2", "Person P3"]
        for name in ("Bos1", "Oud", "example.org", "anna-bos"):
            assert name not in page.text


class TestLive:
    def test_how_far_it_is(self, visit, ledger, asked):
        run, _ = asked()
        tell_progress(ledger, run.id, "snapshot", 1200, 5000)
        loaded(ledger, run, outcomes([1, 2], at=NOW), planned=range(10, 18))
        page = visit("viewer").get(f"/runs/{run.id}")
        assert f'hx-get="/moodle/runs/{run.id}/live"' in page.text
        text = shown(visit("viewer").get(f"/runs/{run.id}/live"))
        assert "Accounts read from Moodle 1,200 of 5,000" in text
        assert "Written to Moodle 2 of 10" in text
        assert "So far." in text

    def test_before_there_is_anything_to_tell(self, visit, asked):
        run, _ = asked()
        assert "numbers follow" in visit("viewer").get(f"/runs/{run.id}").text

    def test_it_stops_when_the_run_has_ended(self, visit, ledger, asked):
        run, _ = asked()
        end_run(ledger, run.id, RunState.DONE, counts={"linked.skipped": 1})
        assert visit("viewer").get(f"/runs/{run.id}/live").headers["hx-refresh"] == "true"
        assert "every 3s" not in visit("viewer").get(f"/runs/{run.id}").text

    def test_a_run_tried_again_does_not_tell_its_old_counts(self, visit, ledger, asked):
        run, _ = asked()
        end_run(ledger, run.id, RunState.DONE, counts={"linked.skipped": 77})
        begin_run(ledger, "demo", run.dag_id, run.run_id, mode="full")
        assert get_run(ledger, run.id).state == RunState.RUNNING
        assert "77" not in shown(visit("viewer").get(f"/runs/{run.id}/live"))


def test_a_name_in_a_plan_is_shown_as_it_is(visit, ledger, asked):
    run, folder = asked(mode="dry run")
    frame = plan_of((person(1, firstname="{{7*7}}", lastname="' onload='x"), None))
    staging.write_frame(folder, "plan", frame)
    page = visit("user").get(f"/runs/{run.id}")
    assert listed(page) == ["{{7*7}} ' onload='x"]
