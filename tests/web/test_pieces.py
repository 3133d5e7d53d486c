"""The small pure parts of the pages: the chart, marked differences, how long ago, the words."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_coupling.contract.verdicts import DecisionKind, Verdict
from moodle_coupling.ledger.runs import Run
from moodle_coupling.ledger.words import MismatchStatus, RunState
from moodle_coupling.matching.frames import Action
from moodle_coupling.provisioning.load.rows import OutcomeStatus
from moodle_coupling.web.base import words
from moodle_coupling.web.base.templating import Piece, marked, since
from moodle_coupling.web.environments.state import HEIGHT, WIDTH, Figures, bars, figures_of, totals
from moodle_coupling.words.sentence import Texts

NOW = dt.datetime(2026, 3, 1, 2, 0, tzinfo=dt.UTC)


def run(number: int = 0, *, mode: str = "changed", **counts: int) -> Run:
    return Run(
        str(number),
        "demo",
        "dag",
        f"r{number}",
        mode,
        RunState.DONE,
        NOW,
        NOW,
        counts,
        plan_digest="",
        plan_no=1,
        reason="",
    )


class TestTheChart:
    def test_what_a_run_did(self):
        did = run(
            done_create=3,
            done_update=2,
            done_link=1,
            done_suspend=1,
            done_reactivate=1,
            rejected=4,
            failed=1,
            unknown=1,
        )
        assert figures_of(did) == Figures(created=3, updated=5, rejected=4, failed=2)

    def test_a_dry_run_shows_what_it_would_do(self):
        would = run(mode="dry run", planned_create=3, planned_update=2, planned_reject=4, planned_none=90)
        assert figures_of(would) == Figures(created=3, updated=2, rejected=4, failed=0)

    def test_the_latest_stands_on_the_right(self):
        shown = bars([run(1), run(2)])
        assert [bar.run.id for bar in shown] == ["2", "1"]
        assert shown[0].x < shown[1].x < WIDTH

    def test_only_the_last_thirty(self):
        assert [bar.run.id for bar in bars([run(n) for n in range(40)])] == [str(n) for n in range(29, -1, -1)]

    def test_no_run_and_a_run_that_wrote_nothing(self):
        assert bars([]) == []
        (bar,) = bars([run()])
        assert [part.kind for part in bar.parts] == ["nothing"]

    def test_one_among_thousands_is_seen(self):
        small = bars([run(done_create=1), run(done_create=5000, failed=1)])
        assert all(part.height >= 1.9 for bar in small for part in bar.parts)

    @given(st.lists(st.tuples(*[st.integers(0, 100_000)] * 3), max_size=35))
    def test_bars_stay_in_the_drawing_and_do_not_overlap(self, figures):
        runs = [run(n, done_create=a, done_update=b, failed=c) for n, (a, b, c) in enumerate(figures)]
        for bar in bars(runs):
            assert 0 <= bar.x < bar.x + bar.width <= WIDTH
            edge = HEIGHT
            for part in bar.parts:
                assert part.y + part.height == pytest.approx(edge, abs=0.02)
                assert part.y >= -0.02
                edge = part.y

    def test_totals(self):
        assert totals([run(done_create=1), run(done_create=2, failed=3)]) == {
            "created": 3,
            "updated": 0,
            "rejected": 0,
            "failed": 3,
        }


class TestDifferences:
    @pytest.mark.parametrize(
        ("one", "other", "ones", "others"),
        [
            ("Jansen", "Janssen", [("Jans", False), ("en", False)], [("Jans", False), ("s", True), ("en", False)]),
            ("a", "A", [("a", True)], [("A", True)]),
            ("e", "é", [("e", True)], [("é", True)]),
            ("", "x", [], [("x", True)]),
            ("same", "same", [("same", False)], [("same", False)]),
        ],
    )
    def test_the_characters_that_differ_are_marked(self, one, other, ones, others):
        found = marked(one, other)
        assert [[(piece.text, piece.differs) for piece in side] for side in found] == [ones, others]

    def test_long_texts_differ_as_a_whole(self):
        assert marked("a" * 400, "b")[0] == [Piece("a" * 400, differs=True)]

    @given(st.text(max_size=60), st.text(max_size=60))
    def test_nothing_is_lost_and_what_is_alike_is_the_same(self, one, other):
        ones, others = marked(one, other)
        assert "".join(piece.text for piece in ones) == one
        assert "".join(piece.text for piece in others) == other
        alike = ["".join(piece.text for piece in side if not piece.differs) for side in (ones, others)]
        assert alike[0] == alike[1]


class TestHowLongAgo:
    @pytest.mark.parametrize(
        ("seconds", "said"),
        [
            (0, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (3599, "59 minutes ago"),
            (3600, "1 hour ago"),
            (86400 * 2 + 5, "2 days ago"),
            (-30, "any moment"),
            (-60, "in 1 minute"),
            (-7200, "in 2 hours"),
            (-86400, "in 1 day"),
        ],
    )
    def test_in_english(self, seconds, said):
        assert since(NOW - dt.timedelta(seconds=seconds), NOW, Texts("en")) == said

    def test_in_dutch(self):
        assert since(NOW - dt.timedelta(days=1400), NOW, Texts("nl")) == "1.400 dagen geleden"


class TestWords:
    @pytest.mark.parametrize(
        ("table", "kinds"),
        [
            (words.VERDICTS, Verdict),
            (words.ACTIONS, Action),
            (words.OUTCOMES, OutcomeStatus),
            (words.RUN_STATES, RunState),
            (words.MISMATCH_STATUSES, MismatchStatus),
            (words.DECISIONS, DecisionKind),
        ],
    )
    def test_each_kind_has_its_word(self, table, kinds):
        assert set(table) == {str(kind) for kind in kinds}

    def test_what_nobody_foresaw_is_shown_as_it_is(self):
        assert words.word(words.VERDICTS, "some_thing").text == "Some thing"

    def test_a_stopped_run_with_counts_came_to_its_end(self):
        assert words.run_state("stopped", {"planned_create": 3}).text == "Done"
        assert words.run_state("stopped", {}).text == "Stopped"
        assert words.run_state("failed", {"failed": 3}).text == "Failed"


class TestNumbers:
    @pytest.mark.parametrize(("language", "said"), [("en", "1,234,567"), ("nl", "1.234.567")])
    def test_thousands(self, language, said):
        assert Texts(language).number(1234567) == said
