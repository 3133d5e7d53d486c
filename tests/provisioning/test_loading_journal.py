"""The journal of a load: told before each call and after each batch, and nothing is sent that it did not take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from provisioning.plans import CREATE, UPDATE, change, codes, create, load_rows, people_in, person, row, statuses

from moodle_coupling.errors import CouplingPaused, MoodleUnavailable, TooManyFailures
from moodle_coupling.provisioning.load import book
from moodle_coupling.provisioning.load.book import JournalFailed, StopRule
from moodle_coupling.sandbox.moodle import running_moodle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moodle_coupling.provisioning.load.rows import Outcome


@pytest.fixture
def moodle():
    with running_moodle() as sandbox:
        yield sandbox


class Notebook:
    """Remembers what it is told; fails at the calls whose numbers (from 1) are given."""

    def __init__(self, *, no_sending: int = 0, no_settling: int = 0, error: type[Exception] = OSError) -> None:
        self.sent: list[tuple[int, ...]] = []
        self.taken_back: list[int] = []
        self.batches: list[str] = []
        self.outcomes: dict[int, Outcome] = {}
        self.events: list[str] = []
        self._settlings = 0
        self._no_sending, self._no_settling, self._error = no_sending, no_settling, error

    def sending(self, indexes: Sequence[int], batch: str) -> None:
        if len(self.sent) + 1 == self._no_sending:
            raise self._error("No space left on device")
        self.sent.append(tuple(indexes))
        self.batches.append(batch)
        self.events.append("sending")

    def withdrawn(self, indexes: Sequence[int]) -> None:
        self.taken_back += indexes

    def settled(self, outcomes: Sequence[Outcome]) -> None:
        self._settlings += 1
        if self._settlings == self._no_settling:
            raise self._error("No space left on device")
        assert not self.outcomes.keys() & {outcome.index for outcome in outcomes}, "an outcome is told twice"
        self.outcomes |= {outcome.index: outcome for outcome in outcomes}
        self.events.append("settled")


def told(notebook: Notebook) -> dict[int, str]:
    return {index: str(outcome.status) for index, outcome in sorted(notebook.outcomes.items())}


def test_each_call_is_announced_and_each_outcome_told_once(moodle):
    notebook = Notebook()
    (account,) = moodle.add_accounts([{"username": "user00001", "idnumber": "CV-00001", "email": "u1@example.org"}])
    rows = [change(1, account, city="Emmen"), *(create(n) for n in (2, 3, 4)), row(5, "none", verdict="linked")]
    result = load_rows(moodle, rows, batch_size=2, parallel_requests=1, journal=notebook)
    assert notebook.sent == [(0,), (1, 2), (3,)]
    assert len(set(notebook.batches)) == 3
    assert told(notebook) == {0: "done", 1: "done", 2: "done", 3: "done", 4: "skipped"}
    # First what needs no call; then batch by batch, of which one may be under way while the one before it is told.
    assert notebook.events[:2] == ["settled", "sending"]
    assert notebook.events.count("settled") == 4
    ahead = [notebook.events[1:n].count("sending") - notebook.events[1:n].count("settled") for n in range(1, 8)]
    assert max(ahead) <= 2
    assert notebook.events[-1] == "settled"
    frame = result.outcomes
    assert [notebook.outcomes[index].at for index in range(5)] == list(frame["at"])


def test_a_batch_is_announced_while_the_one_before_it_is_on_its_way(moodle):
    notebook, seen = Notebook(), []
    moodle.faults.add(f"latency=0.5,first=1,function={CREATE}")
    settled = notebook.settled
    notebook.settled = lambda outcomes: (seen.append(list(notebook.sent)), settled(outcomes))
    load_rows(moodle, [create(n) for n in range(1, 5)], batch_size=2, parallel_requests=1, journal=notebook)
    assert seen[0] == notebook.sent == [(0, 1), (2, 3)]


def test_a_batch_that_was_announced_long_before_its_call_is_announced_again(moodle, monkeypatch):
    monkeypatch.setattr(book, "FRESH", 0.2)
    notebook = Notebook()
    moodle.faults.add(f"latency=0.5,first=1,function={CREATE}")
    load_rows(moodle, [create(n) for n in range(1, 5)], batch_size=2, parallel_requests=1, journal=notebook)
    assert notebook.sent == [(0, 1), (2, 3), (2, 3)]
    assert len(set(notebook.batches)) == 3


def ended_after_the_first(moodle, **more):
    """Give the journal of a load of three batches that is told to stop while the first is on its way."""
    notebook = Notebook()
    moodle.faults.add(f"latency=0.5,first=1,function={CREATE}")
    rows = [create(n, **({"email": f"geen-adres{n}"} if n < 3 else {})) for n in range(1, 7)]
    stop = StopRule(share=0.4, minimum=2)
    result = load_rows(moodle, rows, batch_size=2, parallel_requests=1, stop=stop, journal=notebook, **more)
    assert isinstance(result.stopped, TooManyFailures)
    assert len(people_in(moodle)) == 0
    return notebook


def test_a_batch_that_was_announced_ahead_and_did_not_go_out_is_withdrawn_and_untold(moodle):
    notebook = ended_after_the_first(moodle)
    assert (2, 3) in notebook.sent
    assert notebook.taken_back == [2, 3]
    assert told(notebook).keys() == {0, 1}


def test_what_an_earlier_try_sent_is_not_withdrawn_but_stays_in_doubt(moodle):
    assert ended_after_the_first(moodle, in_doubt=[3]).taken_back == [2]


def test_a_batch_that_is_taken_apart_is_announced_at_every_call(moodle):
    notebook = Notebook()
    rows = [create(n, **({"country": "N3"} if n == 3 else {})) for n in range(1, 9)]
    result = load_rows(moodle, rows, journal=notebook)
    assert len(notebook.sent) == result.calls["create"] == len(moodle.calls.all(CREATE))
    assert {index for indexes in notebook.sent for index in indexes} == set(range(8))
    assert told(notebook) == {n: "rejected" if n == 2 else "done" for n in range(8)}


@pytest.mark.parametrize("number", [1, 2])
def test_what_cannot_be_announced_is_not_sent(moodle, number):
    notebook = Notebook(no_sending=number)
    result = load_rows(moodle, [create(n) for n in range(1, 7)], batch_size=2, parallel_requests=1, journal=notebook)
    assert isinstance(result.stopped, JournalFailed)
    assert "No space left" in str(result.stopped)
    assert len(moodle.calls.all(CREATE)) == number - 1
    assert statuses(result).get("done", 0) == len(people_in(moodle)) == 2 * (number - 1)
    assert result.outcomes["status"].isin(["done", "failed"]).all()
    assert set(told(notebook).values()) <= {"done"}
    assert statuses(load_rows(moodle, [create(n) for n in range(1, 7)])) == {"done": 6}


def test_an_outcome_that_cannot_be_told_stops_the_load_at_most_one_batch_later(moodle):
    notebook = Notebook(no_settling=1)
    result = load_rows(moodle, [create(n) for n in range(1, 9)], batch_size=2, parallel_requests=1, journal=notebook)
    assert isinstance(result.stopped, JournalFailed)
    calls = len(moodle.calls.all(CREATE))
    assert calls in (1, 2)
    assert statuses(result) == {"done": 2 * calls, "failed": 8 - 2 * calls}
    # The journal came back before the end, and was told then.
    assert {row: status for row, status in told(notebook).items() if status == "done"} == dict.fromkeys(
        range(2 * calls), "done"
    )


def test_a_fault_in_the_journal_itself_is_raised_and_nothing_more_is_sent(moodle):
    notebook = Notebook(no_sending=2, error=ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        load_rows(moodle, [create(n) for n in range(1, 7)], batch_size=2, parallel_requests=1, journal=notebook)
    assert len(people_in(moodle)) == 2


def test_of_a_load_that_is_paused_the_rest_waits_untold(moodle):
    def guard() -> None:
        if len(moodle.calls.all(CREATE)) >= 1:
            raise CouplingPaused("demo", "upgrade")

    notebook = Notebook()
    rows = [create(n) for n in range(1, 7)]
    result = load_rows(moodle, rows, batch_size=2, parallel_requests=1, guard=guard, journal=notebook)
    assert isinstance(result.stopped, CouplingPaused)
    # The second batch was announced, and then the pause was met: nothing of it can be in Moodle.
    assert told(notebook) == {0: "done", 1: "done", 2: "failed", 3: "failed"}
    assert statuses(result) == {"done": 2, "failed": 4}


def test_a_refusal_that_nothing_explains_is_told_when_it_is_certain(moodle):
    notebook = Notebook()
    moodle.settings.change({"db_read_only": True})
    load_rows(moodle, [create(n) for n in range(1, 5)], journal=notebook)
    assert told(notebook) == dict.fromkeys(range(4), "failed")


def test_what_nobody_knows_is_told_as_unknown(moodle):
    notebook = Notebook()
    moodle.faults.add(f"reset_before,function={CREATE}")
    load_rows(moodle, [create(n) for n in range(1, 5)], batch_size=2, parallel_requests=1, journal=notebook)
    assert told(notebook) == {0: "unknown", 1: "unknown"}


def test_rows_in_doubt_are_looked_up_before_anything_is_sent(moodle):
    ids = moodle.add_accounts(
        {"username": f"user{n:05}", "idnumber": f"CV-{n:05}", "email": f"user{n:05}@example.org", "city": "Emmen"}
        for n in (1, 2, 3)
    )
    rows = [change(1, ids[0], city="Emmen"), change(2, ids[1], city="Assen"), create(3), create(4)]
    notebook = Notebook()
    result = load_rows(moodle, rows, journal=notebook, in_doubt=[0, 1, 2, 3])
    assert statuses(result) == {"done": 4}
    assert notebook.sent == [(1,), (3,)]
    assert len(moodle.calls.all(UPDATE)) == len(moodle.calls.all(CREATE)) == 1
    assert told(notebook) == dict.fromkeys(range(4), "done")


def test_rows_in_doubt_that_could_not_be_looked_up_stay_in_doubt(moodle):
    notebook = Notebook()
    moodle.faults.add("503")
    result = load_rows(moodle, [create(1), create(2)], journal=notebook, in_doubt=[1])
    assert isinstance(result.stopped, MoodleUnavailable)
    assert codes(result) == {1: "unavailable", 2: "answer_lost"}
    assert statuses(result) == {"failed": 1, "unknown": 1}
    assert told(notebook) == {}


def test_above_forty_percent_of_twenty_the_load_stops_itself(moodle):
    rows = [create(n, **({"email": f"geen-adres{n}"} if n % 2 else {})) for n in range(1, 201)]
    result = load_rows(moodle, rows, batch_size=20, parallel_requests=1, stop=StopRule())
    assert isinstance(result.stopped, TooManyFailures)
    assert (result.stopped.failed, result.stopped.attempted) == (10, 20)
    assert "10 of the 20 persons" in str(result.stopped)
    assert "'invalidparameter' 10" in str(result.stopped)
    assert statuses(result) == {"done": 10, "rejected": 10, "failed": 180}
    assert codes(result)[200] == "too_many_failures"


def test_forty_percent_is_not_above_forty_percent(moodle):
    rows = [create(n, **({"email": f"geen-adres{n}"} if n % 5 < 2 else {})) for n in range(1, 41)]
    result = load_rows(moodle, rows, batch_size=20, parallel_requests=1, stop=StopRule())
    assert result.stopped is None
    assert statuses(result) == {"done": 24, "rejected": 16}


def test_fewer_than_twenty_are_too_few_to_judge(moodle):
    result = load_rows(moodle, [create(n, email=f"geen-adres{n}") for n in range(1, 20)], stop=StopRule())
    assert result.stopped is None
    assert statuses(result) == {"rejected": 19}


def test_rejections_of_the_plan_do_not_count(moodle):
    reason = [{"code": "email_invalid", "field": "email", "message": "Geen adres."}]
    rejected = [row(n, "reject", verdict="new", reasons=reason) for n in range(100, 160)]
    result = load_rows(moodle, [*rejected, *(create(n) for n in range(1, 41))], batch_size=20, stop=StopRule())
    assert result.stopped is None
    assert statuses(result) == {"rejected": 60, "done": 40}


def test_a_load_that_stopped_itself_takes_back_refusals_that_nothing_explains(moodle):
    notebook = Notebook()
    rows = [create(n, **({"country": f"{chr(65 + n % 26)}{n % 10}"} if n % 2 else {})) for n in range(1, 101)]
    result = load_rows(moodle, rows, batch_size=20, parallel_requests=1, stop=StopRule(), journal=notebook)
    assert isinstance(result.stopped, TooManyFailures)
    assert statuses(result) == {"done": 10, "failed": 90}
    assert sorted(told(notebook).values()) == ["done"] * 10 + ["failed"] * 10


@pytest.mark.parametrize("in_doubt", [[0, 1, 2], []])
def test_an_account_that_an_earlier_try_makes_while_we_take_a_batch_apart_is_no_rejection(moodle, in_doubt):
    late = []

    def guard() -> None:
        # The request of a worker that was killed comes through now: after we asked who of the refused batch is there.
        if len(moodle.calls.all(CREATE)) == 2 and not late:
            late.append(moodle.add_accounts([person(3)]))

    rows = [create(1), create(2, country="N2"), create(3)]
    result = load_rows(moodle, rows, parallel_requests=1, guard=guard, in_doubt=in_doubt)
    assert late
    assert len(people_in(moodle)) == 2
    # Row 3 is ours in the one case, and in the other a stranger's who was quicker.
    assert codes(result) == {2: "invalidparameter"} | ({} if in_doubt else {3: "invalidparameter"})
    assert statuses(result) == ({"done": 2, "rejected": 1} if in_doubt else {"done": 1, "rejected": 2})
