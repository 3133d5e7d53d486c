"""The list of mismatches and the page of one: what is shown, found and told, and to whom."""

from __future__ import annotations

import datetime as dt
import html
import json
import re

import pytest
from web.mismatched import BRACES, SCRIPT, compare, every_kind, without_idnumber

from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.ledger.decisions import Choice, decide
from moodle_coupling.ledger.mismatches import get_mismatch


@pytest.fixture
def ids(ledger):
    """The mismatch of each verdict in the environment 'demo', by person_id; of the orphan by its account."""
    return compare(ledger, every_kind())


@pytest.fixture
def noord(mappings, ledger):
    """A second environment, with two mismatches."""
    text = (mappings / "demo.yaml").read_text()
    for old, new in (("environment: demo", "environment: noord"), ("title: Demo", "title: Noord")):
        text = text.replace(old, new)
    (mappings / "noord.yaml").write_text(text.replace("moodle_demo", "moodle_noord"))
    return compare(ledger, without_idnumber(2, start=800), "noord")


def shown(page) -> str:
    """Give the text of a page, without marks, spaces made one."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"</?mark>", "", page.text))).split())


def listed(page) -> list[int]:
    """Give the ids of the rows, in their order."""
    return [int(number) for number in re.findall(r'<tr id="m(\d+)"', page.text)]


def counted(page, facet: str) -> dict[str, int]:
    """Give the values of a filter with their counts."""
    found = re.findall(
        rf'name="{facet}" value="([^"]*)"[^>]*><span>[^<]*</span> <span class="count">([^<]*)<', page.text
    )
    return {value: int(number) for value, number in found}


def rewritten(ledger, mismatch, **values):
    from sqlalchemy import update

    from moodle_coupling.ledger.models import MismatchRow

    with ledger.writing() as connection:
        connection.execute(update(MismatchRow).where(MismatchRow.id == mismatch).values(values))


class TestList:
    def test_what_is_open_comes_first_and_tells_what_is_the_matter(self, visit, ids):
        page = visit("user").get("/mismatches")
        assert set(listed(page)) == set(ids.values())
        text = shown(page)
        assert "9 mismatches" in text
        assert "No account has ID number 'E1'; e-mail 'j1.bos@example.org' points at account 21 (jurgen)" in text
        assert "Link to account 21" in text
        assert "Suspend account 33" in text

    def test_what_was_decided_is_not_open_any_more(self, visit, ledger, ids):
        decide(ledger, ids["P1"], 1, Choice(DecisionKind.LINK, "anna", account_id=21))
        assert ids["P1"] not in listed(visit("user").get("/mismatches"))
        assert listed(visit("user").get("/mismatches?status=decided")) == [ids["P1"]]
        assert ids["P1"] in listed(visit("user").get("/mismatches?status=all"))

    @pytest.mark.parametrize(
        ("query", "who"),
        [
            ("verdict=id_differs", {"P2"}),
            ("verdict=id_differs&verdict=held", {"P2", "P8"}),
            ("proposal=re-key", {"P3", "P4"}),
            ("proposal=suspend&proposal=link", {"P1", "33"}),
            ("proposal=link&verdict=held", set()),
            ("environment=demo&verdict=orphan", {"33"}),
            ("environment=nowhere&verdict=orphan", {"33"}),
            ("verdict=nonsense&status=nonsense&age=5&offset=x&sort=y&q=z&desc=1", None),
        ],
    )
    def test_filters(self, visit, ids, query, who):
        found = set(listed(visit("user").get(f"/mismatches?{query}")))
        assert found == {ids[name] for name in (ids if who is None else who)}

    @pytest.mark.clock
    def test_age(self, visit, ledger, ids):
        old = dt.datetime.now(dt.UTC) - dt.timedelta(days=8)
        rewritten(ledger, ids["P2"], first_seen=old)
        assert listed(visit("user").get("/mismatches?age=7")) == [ids["P2"]]
        assert listed(visit("user").get("/mismatches?age=30")) == []

    def test_counts_beside_the_filters_leave_out_their_own_choice(self, visit, ids):
        page = visit("user").get("/mismatches?verdict=id_differs")
        assert counted(page, "verdict") == {
            **dict.fromkeys(["id_missing", "id_differs", "id_other_scheme", "id_case", "email_taken"], 1),
            **dict.fromkeys(["ambiguous", "duplicate_account", "held", "orphan"], 1),
        }
        assert counted(page, "status") == {"all": 1, "open": 1, "decided": 0, "applied": 0, "gone": 0, "lapsed": 0}
        assert counted(page, "proposal") == {}
        assert counted(visit("user").get("/mismatches"), "proposal") == {"link": 1, "re-key": 2, "suspend": 1}

    @pytest.mark.parametrize(("sort", "first", "last"), [("name", "P8", "P2"), ("verdict", "P6", "33")])
    def test_sorts(self, visit, ids, sort, first, last):
        up = listed(visit("user").get(f"/mismatches?sort={sort}&desc=0"))
        down = listed(visit("user").get(f"/mismatches?sort={sort}&desc=1"))
        assert up == down[::-1]
        assert up.index(ids[first]) < up.index(ids[last])

    def test_the_head_of_a_column_turns_its_order_round(self, visit, ids):
        page = visit("user").get("/mismatches?sort=name&desc=0&verdict=held")
        assert 'class="both" scope="col" aria-sort="ascending"' in page.text
        assert 'href="/moodle/mismatches?verdict=held&amp;sort=name&amp;desc=1"' in page.text

    def test_pages(self, visit, ledger):
        compare(ledger, without_idnumber(120))
        first = visit("user").get("/mismatches")
        second = visit("user").get("/mismatches?offset=50")
        third = visit("user").get("/mismatches?offset=100")
        assert [len(listed(page)) for page in (first, second, third)] == [50, 50, 20]
        assert len({*listed(first), *listed(second), *listed(third)}) == 120
        assert "51–100 of 120" in shown(second)
        assert 'rel="next" href="/moodle/mismatches?offset=100"' in second.text
        small = visit("user").get("/mismatches?size=25&verdict=id_missing&offset=25")
        assert len(listed(small)) == 25
        assert 'href="/moodle/mismatches?verdict=id_missing&amp;size=25&amp;offset=100"' in small.text
        form = visit("user").send_form("/mismatches/filter", verdict="id_missing", size="25")
        assert form.headers["location"] == "/moodle/mismatches?verdict=id_missing&size=25"
        assert len(listed(visit("user").get("/mismatches?size=7"))) == 50

    def test_one_line_each_is_chosen_once_and_kept(self, visit, ledger, ids):
        visitor = visit("user")
        visitor.send_form(f"/mismatches/{ids['P1']}/decide", version="1", choice="ignore:", note="gebeld")
        answer = visitor.send_form("/mismatches/view", view="compact", status="all", by="user")
        where = answer.headers["location"].removeprefix("/moodle")
        assert where == "/mismatches?status=all&by=user"
        for page in (visitor.get(where), visitor.get(where)):
            assert list(listed(page)) == [ids["P1"]]
            assert '<table class="mismatches compact">' in page.text
            assert re.search(r'<td class="by">user', page.text)
        assert listed(visitor.get("/mismatches?mark=later")) == listed(visitor.get("/mismatches?q=nobody&mark=later"))
        assert visitor.send_form("/mismatches/view", view="table").status_code == 404
        visitor.send_form("/mismatches/view", view="full")
        assert "compact" not in visitor.get("/mismatches").text.split("<tbody>")[0].split("<table")[1]

    def test_a_page_past_the_end_leads_back(self, visit, ids):
        assert "This page is past the end" in shown(visit("user").get("/mismatches?offset=500"))

    def test_htmx_gets_the_part_and_others_the_page(self, visit, ids):
        part = visit("user").get("/mismatches", headers={"HX-Request": "true"})
        assert "<html" not in part.text
        assert listed(part)
        assert "<html" in visit("user").get("/mismatches").text

    def test_from_airflows_view_of_a_dag(self, visit, ids):
        for dag_id in ("moodle_provision__demo", "moodle_reconcile__demo"):
            answer = visit("user").get(f"/mismatches?dag_id={dag_id}")
            assert answer.headers["location"] == "/moodle/mismatches?environment=demo"
        assert "not one of the Moodle coupling" in shown(visit("user").get("/mismatches?dag_id=somebodys_own"))
        assert visit("user").get("/mismatches?dag_id=moodle_provision__nowhere").status_code == 404

    def test_only_of_environments_one_may_read(self, visit, ids, noord, monkeypatch):
        assert set(noord.values()) <= set(listed(visit("user").get("/mismatches")))
        from moodle_coupling.web.base.access import Access

        monkeypatch.setattr(Access, "environments", lambda self: ["demo"])
        page = visit("user").get("/mismatches?environment=noord&status=all")
        assert set(listed(page)) == set(ids.values())
        assert counted(page, "status")["all"] == len(ids)

    def test_counts_by_environment(self, visit, ids, noord):
        page = visit("user").get("/mismatches?environment=noord")
        assert set(listed(page)) == set(noord.values())
        assert counted(page, "environment") == {"demo": 9, "noord": 2}


class TestSearch:
    def search(self, visitor, text, **more):
        sent = visitor.send_form("/mismatches/filter", text=text, **more)
        assert sent.status_code == 303
        where = sent.headers["location"].removeprefix("/moodle")
        return where, visitor.get(where)

    @pytest.mark.parametrize(
        ("text", "who"),
        [
            ("P2", {"P2"}),
            ("j1.BOS@example.org", {"P1"}),
            ("bakker", {"P8"}),
            ("μαρία", {"P7"}),
            ("33", {"33"}),
            ("<script>", {"P4"}),
            ("nobody at all", set()),
            ("%", set()),
        ],
    )
    def test_finds_by_what_somebody_types(self, visit, ids, text, who):
        _, page = self.search(visit("user"), text)
        assert set(listed(page)) == {ids[name] for name in who}

    def test_what_was_typed_stands_in_no_address(self, visit, ids):
        where, page = self.search(visit("user"), "j1.bos@example.org", verdict="id_missing")
        addresses = [where, *re.findall(r'(?:href|action|hx-get|hx-post)="([^"]*)"', page.text)]
        assert len(addresses) > 10
        assert not [one for one in addresses if "j1." in one or "example.org" in one]

    def test_it_stays_while_one_filters_sorts_and_turns_the_page(self, visit, ledger):
        compare(ledger, without_idnumber(120))
        visitor = visit("user")
        _, page = self.search(visitor, "bakker")
        assert 'name="text" value="bakker"' in page.text
        links = re.findall(r'href="/moodle(/mismatches\?[^"]*sort=name[^"]*)"', page.text)
        assert len(listed(visitor.get(html.unescape(links[0])))) == 20

    def test_filters_chosen_with_it_are_kept(self, visit, ids):
        where, _ = self.search(visit("user"), "bos@", status="all", verdict="held", sort="name", desc="0")
        assert {"status=all", "verdict=held", "sort=name", "desc=0"} <= set(where.partition("?")[2].split("&"))

    def test_a_sealed_text_of_somebody_else_is_no_text(self, visit, ids):
        assert len(listed(visit("user").get("/mismatches?q=gAAAAABnonsense"))) == 9


class TestEmpty:
    def test_no_environment(self, visit, mappings):
        (mappings / "demo.yaml").unlink()
        assert "no environment whose mismatches you may see" in shown(visit("user").get("/mismatches"))

    def test_nothing_compared_yet(self, visit):
        text = shown(visit("user").get("/mismatches"))
        assert "Nothing was compared yet" in text
        assert "Start one at Environments" in text

    def test_everything_matches(self, visit, ledger):
        compare(ledger, (every_kind()[0][8:], [every_kind()[1][11]]))
        assert "Everything matches" in shown(visit("user").get("/mismatches"))

    def test_nothing_open_any_more(self, visit, ledger, ids):
        compare(ledger, (every_kind()[0][8:], [every_kind()[1][11]]), run="manual__2")
        text = shown(visit("user").get("/mismatches"))
        assert "Nothing is open" in text
        assert counted(visit("user").get("/mismatches"), "status")["gone"] == 9

    def test_nothing_for_this_filter(self, visit, ids):
        text = shown(visit("user").get("/mismatches?verdict=held&proposal=link"))
        assert "Nothing fits this filter" in text
        assert "All that is open" in text

    def test_no_ledger_says_what_to_do(self, visit, monkeypatch, tmp_path):
        monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__LEDGER_URL", f"sqlite:///{tmp_path}/none.db")
        page = visit("user").get("/mismatches")
        assert page.status_code == 503
        assert "moodle-coupling db upgrade" in page.text


class TestOne:
    def test_the_differing_characters_are_marked(self, visit, ids):
        text = visit("user").get(f"/mismatches/{ids['P1']}").text
        assert '<span class="diff">J<mark>ü</mark>rgen</span>' in text
        assert '<span class="diff">J<mark>u</mark>rgen</span>' in text

    def test_spaces_count_as_a_difference(self, visit, ids):
        text = visit("user").get(f"/mismatches/{ids['P4']}").text
        assert '<span class="diff"><mark>E</mark>4<mark>X </mark></span>' in text

    def test_which_fields_agree(self, visit, ids):
        text = shown(visit("user").get(f"/mismatches/{ids['P1']}"))
        assert "100% alike E-mail: the same Last name: the same First name: the same" in text

    def test_it_leads_to_all_that_happened_to_the_person(self, visit, ids):
        path = f"/people/demo/m{ids['P1']}"
        assert f'href="/moodle{path}"' in visit("user").get(f"/mismatches/{ids['P1']}").text
        assert visit("user").get(path).status_code == 200

    def test_several_accounts_stand_side_by_side(self, visit, ids):
        text = shown(visit("user").get(f"/mismatches/{ids['P7']}"))
        assert "Account 29 Account 30 suspended" in text
        assert "Link to account 29" in text
        assert "Link to account 30" in text

    def test_what_each_decision_does(self, visit, ids):
        text = shown(visit("user").get(f"/mismatches/{ids['P1']}"))
        assert "Link to account 21 Account 21 (jurgen) gets person P1 (extern id E1)'s ID number 'E1'" in text
        assert "Decide later No run does anything for this" in text

    def test_what_is_proposed_comes_first(self, visit, ids):
        buttons = re.findall(
            r'<button class="button( primary)?" name="choice" value="([^"]*)"',
            visit("user").get(f"/mismatches/{ids['33']}").text,
        )
        assert buttons[0] == (" primary", "suspend:33")
        assert [value for primary, value in buttons if primary] == ["suspend:33"]

    def test_history(self, visit, ledger, ids):
        decide(ledger, ids["P7"], 1, Choice(DecisionKind.LINK, "anna", "first", 29))
        decide(ledger, ids["P7"], 2, Choice(DecisionKind.IGNORE, "bram", "on second thoughts"))
        text = shown(visit("user").get(f"/mismatches/{ids['P7']}"))
        history = text.partition("History")[2]
        assert re.search(
            r"Ignore bram, .* on second thoughts Stands .*Link to account 29 anna, .* first No longer counts", history
        )

    def test_what_a_run_carried_out_leads_to_it_and_is_decided_no_more(self, visit, ledger, ids):
        from moodle_coupling.ledger.decisions import mark_applied

        made = decide(ledger, ids["P1"], 1, Choice(DecisionKind.LINK, "anna", account_id=21))
        mark_applied(ledger, "some-run", [made.id])
        page = visit("user").get(f"/mismatches/{ids['P1']}")
        assert 'href="/moodle/runs/some-run"' in page.text
        assert "decided no more" in shown(page)
        assert 'name="choice"' not in page.text

    def test_seen(self, visit, ledger, ids):
        compare(ledger, every_kind(), run="manual__2")
        row = get_mismatch(ledger, ids["P1"])
        page = visit("user").get(f"/mismatches/{ids['P1']}")
        assert "seen 2 times" in shown(page)
        assert f'href="/moodle/runs/{row["last_run"]}"' in page.text

    @pytest.mark.parametrize("mismatch", [4711, 2**62])
    def test_there_is_none_such(self, visit, ids, mismatch):
        assert visit("user").get(f"/mismatches/{mismatch}").status_code == 404

    @pytest.mark.parametrize("mismatch", ["0", "-1", "x", "9" * 30])
    def test_that_is_no_number(self, visit, ids, mismatch):
        assert visit("user").get(f"/mismatches/{mismatch}").status_code == 422

    def test_of_an_environment_that_is_there_no_more(self, visit, ids, mappings):
        (mappings / "demo.yaml").rename(mappings / "other.yaml")
        assert visit("user").get(f"/mismatches/{ids['P1']}").status_code == 404

    @pytest.mark.parametrize("facts", ["", "{}", "[1]", '{"person": 1, "accounts": {"x": 2, "3": null}}'])
    def test_facts_that_nobody_foresaw(self, visit, ledger, ids, facts):
        rewritten(ledger, ids["P1"], facts=facts)
        assert visit("user").get(f"/mismatches/{ids['P1']}").status_code == 200
        assert visit("user").get("/mismatches").status_code == 200

    def test_a_verdict_that_nobody_foresaw(self, visit, ledger, ids):
        rewritten(ledger, ids["P1"], verdict="of_tomorrow")
        for role in ("user", "viewer"):
            assert "Of tomorrow" in shown(visit(role).get(f"/mismatches/{ids['P1']}"))
            assert "Of tomorrow" in shown(visit(role).get("/mismatches"))


@pytest.mark.parametrize("path", ["/mismatches", "/mismatches/{P4}", "/mismatches/{P5}"])
@pytest.mark.parametrize("language", ["en", "nl"])
def test_names_are_only_names(visit, ids, path, language):
    text = visit("user", language=language).get(path.format(**ids)).text
    assert SCRIPT not in text
    assert "Otto 49" not in text
    assert html.escape(SCRIPT) in text or BRACES in text


class TestMasked:
    """A viewer, who may not see names and addresses."""

    NAMES = ("Jürgen", "Meer", "jurgen", "bos@", "example.org", "alert(1)", "7*7", "Bakker", "Wim", "Παπ", "anna-bos")

    @pytest.mark.parametrize("language", ["en", "nl"])
    def test_no_name_or_address_anywhere(self, visit, ledger, ids, language):
        decide(ledger, ids["P1"], 1, Choice(DecisionKind.LINK, "chief", "ask Jürgen about this", 21))
        visitor = visit("viewer", language=language)
        pages = [
            visitor.get("/mismatches?status=all"),
            *(visitor.get(f"/mismatches/{number}") for number in ids.values()),
        ]
        for page in pages:
            assert page.status_code == 200
            assert [name for name in self.NAMES if name in page.text] == []
            assert "••••" in page.text

    def test_ids_agreement_and_meaning_are_there(self, visit, ids):
        text = shown(visit("viewer").get(f"/mismatches/{ids['P1']}"))
        assert "Person P1" in text
        assert "an account without any ID number has the same e-mail address or username" in text
        assert "100% alike E-mail: the same Last name: the same First name: the same" in text

    def test_nothing_to_press(self, visit, ids):
        for path in ("/mismatches", f"/mismatches/{ids['P1']}"):
            page = visit("viewer").get(path)
            assert 'name="choice"' not in page.text
            assert "/mismatches/decide" not in page.text
            assert "Proposed: Link" in shown(page)

    @pytest.mark.parametrize("text", ["Jürgen", "meer", "j1.bos", "jurgen"])
    def test_nobody_is_found_by_a_name(self, visit, ids, text):
        _, page = TestSearch().search(visit("viewer"), text)
        assert listed(page) == []

    @pytest.mark.parametrize(("text", "who"), [("P2", "P2"), ("E2", "P2"), ("33", "33")])
    def test_ids_are_found(self, visit, ids, text, who):
        _, page = TestSearch().search(visit("viewer"), text)
        assert listed(page) == [ids[who]]

    def test_there_is_no_order_by_name(self, visit, ids):
        assert "sort=name" not in visit("viewer").get("/mismatches").text
        by_name = listed(visit("viewer").get("/mismatches?sort=name&desc=0"))
        assert by_name == listed(visit("viewer").get("/mismatches?sort=last_seen&desc=0"))

    def test_a_viewer_who_may_sees_names(self, visit, ids, monkeypatch):
        monkeypatch.setenv("AIRFLOW__MOODLE_COUPLING__VIEWERS_SEE", "names")
        assert "Jürgen van der Meer" in shown(visit("viewer").get("/mismatches"))


class TestDutch:
    def test_the_page(self, visit, ids):
        text = shown(visit("user", language="nl").get("/mismatches"))
        assert "9 afwijkingen" in text
        assert "Geen account heeft ID-nummer 'E1'; het e-mailadres 'j1.bos@example.org' hoort bij account 21" in text
        assert "Koppelen aan account 21" in text

    def test_what_a_decision_does(self, visit, ids):
        text = shown(visit("user", language="nl").get(f"/mismatches/{ids['P1']}"))
        assert "Account 21 (jurgen) krijgt ID-nummer 'E1'" in text


def test_facts_are_kept_as_matching_writes_them(ledger, ids):
    facts = json.loads(get_mismatch(ledger, ids["P1"])["facts"])
    assert set(facts) == {"person", "accounts"}
    assert set(facts["accounts"]) == {"21"}
