"""A worker killed (kill -9) at every step of a load of access: the next try finishes it, and each row has one outcome."""

from __future__ import annotations

import random
import uuid
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from airflow.sdk import ObjectStoragePath
from crash.harness import KILLED, STOPPED, Worker, while_moodle_works

from moodle_coupling.contract.facts import AccessFacts
from moodle_coupling.contract.frames import ACCESS_OUTCOMES, ACCESS_PLAN
from moodle_coupling.hooks.moodle.access_records import ENROL_USERS
from moodle_coupling.ledger.access import access_digest, access_outcomes, given_access, intention_key
from moodle_coupling.ledger.intentions import count_states, unsettled
from moodle_coupling.ledger.ledger import open_ledger
from moodle_coupling.ledger.runs import begin_run
from moodle_coupling.orchestration import staging
from moodle_coupling.people.table import made
from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle
from moodle_coupling.sandbox.moodle.access_file import read_access

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LEAVER, LEAVER_TOO, STAYS, NOBODY = 201, 202, 203, 999
COHORT, COURSE, NEW = (210, 211, 212), (220, 221, 222, 223), (210,)
UNTIL = 1_900_000_000
MAPPING = """\
environment: {name}
connection: moodle_{name}
source: {{type: file, path: persons.csv}}
idnumber: extern_id
access: {{missing_targets: create, rules: [{{cohort: all}}]}}
"""
MOST_KILLS = 5


def account(number: int) -> dict[str, Any]:
    name = f"u{number}"
    return {"id": number, "username": name, "firstname": "J", "lastname": "T", "email": f"{name}@example.org"}


@pytest.fixture(scope="module")
def moodle() -> Iterator[SandboxMoodle]:
    with running_moodle(accounts=[account(number) for number in range(201, 230)]) as sandbox:
        yield sandbox


class AccessSite:
    """A plan of access on its way into a cohort, a course and a cohort that is not there yet; each scenario has its own."""

    def __init__(self, moodle: SandboxMoodle, url: str, worker: Worker, folder: Path, **settings: Any) -> None:
        moodle.faults.clear()
        self.name = f"x{uuid.uuid4().hex[:12]}"
        self.moodle, self.url, self.worker, self.ledger = moodle, url, worker, open_ledger(url)
        self.settings = {"read_timeout": 10, "batch_size": 2, "parallel_requests": 1} | settings
        self.folder = folder / self.name
        self.folder.mkdir()
        self.mapping = self.folder / f"{self.name}.yaml"
        self.mapping.write_text(MAPPING.format(name=self.name))
        members = [f"u{number}" for number in (LEAVER, STAYS)]
        course = {"shortname": self.name, "participants": [{"username": f"u{n}"} for n in (LEAVER_TOO, COURSE[3])]}
        ids = moodle.add_access(
            read_access({"cohorts": [{"name": "c", "idnumber": self.name, "members": members}], "courses": [course]})
        )
        (self.cohort,), (self.course,) = ids["cohorts"], ids["courses"]
        self.plan = made(ACCESS_PLAN, list(self.rows()))
        place = ObjectStoragePath(f"file://{self.folder}")
        staging.write_frame(place, ACCESS_PLAN.name, self.plan)
        self.digest = access_digest(self.plan)
        staging.write_facts(place, AccessFacts(digest=self.digest))
        self.run = begin_run(self.ledger, self.name, "dag", self.name, mode="full").id

    def rows(self) -> Iterator[dict[str, Any]]:
        unsaid: dict[str, Any] = dict.fromkeys(ACCESS_PLAN.texts, "") | {"row": pd.NA, "timestart": 0, "timeend": 0}
        unsaid |= {"suspended": False, "role_id": 0}
        cohort = unsaid | {"kind": "cohort", "target": self.name, "target_id": self.cohort}
        course = unsaid | {"kind": "course", "target": self.name, "target_id": self.course}
        student = course | {"role": "student", "role_id": 5, "timeend": UNTIL}
        yield cohort | {"account_id": LEAVER, "action": "take_back", "code": "no_longer"}
        yield course | {"account_id": LEAVER_TOO, "action": "take_back", "code": "no_longer"}
        for number in COHORT:
            yield cohort | {"account_id": number, "action": "give", "code": "wanted"}
        for number in (*COURSE[:3], NOBODY):
            yield student | {"account_id": number, "action": "give", "code": "wanted"}
        yield student | {"account_id": COURSE[3], "action": "extend", "code": "window_changed"}
        new = unsaid | {"kind": "cohort", "target": f"new-{self.name}", "target_id": pd.NA}
        yield new | {"account_id": NEW[0], "action": "give", "code": "wanted"}
        yield cohort | {"account_id": STAYS, "action": "none", "code": "given"}
        yield cohort | {"account_id": 229, "action": "reject", "code": "date_unread", "value": "x"}

    def one_try(self, kill_at: Any = None) -> int:
        """Load until the end or until killed; gives the exit status."""
        self.worker.start(
            {"moodle": self.moodle.url, "token": self.moodle.token, "ledger": self.url, "run": self.run}
            | {"folder": str(self.folder), "settings": self.settings, "looks": (), "kill_at": kill_at}
            | {"pages_left": None, "read_only": False, "mapping": str(self.mapping)}
        )
        return self.worker.ended()

    def steps(self) -> list[str]:
        return list(staging_json(self.folder)["steps"])

    def new_cohort(self) -> int | None:
        found = [one["id"] for one in self.moodle.access.cohorts() if one["idnumber"] == f"new-{self.name}"]
        assert len(found) <= 1, "made twice"
        return found[0] if found else None

    def written(self) -> set[int]:
        """Give the positions of what Moodle holds as planned and did not before."""
        members = set(self.moodle.access.members(self.cohort))
        enrolled = {one["userid"]: one["timeend"] for one in self.moodle.access.enrolments(self.course)}
        new = self.new_cohort()
        done = {0: LEAVER not in members, 1: LEAVER_TOO not in enrolled}
        done |= {2 + at: number in members for at, number in enumerate(COHORT)}
        done |= {5 + at: number in enrolled for at, number in enumerate(COURSE[:3])}
        done |= {9: enrolled.get(COURSE[3]) == UNTIL, 10: new is not None and bool(self.moodle.access.members(new))}
        return {at for at, is_so in done.items() if is_so}

    def announced(self) -> set[int]:
        waiting = unsettled(self.ledger, self.run)
        sent = set(waiting.loc[waiting["state"] == "sent", "key"])
        outcomes = set(access_outcomes(self.ledger, self.run, self.digest)["position"])
        return {at for at in range(len(self.plan)) if intention_key(self.digest, at) in sent} | outcomes

    def check(self) -> None:
        """Count: Moodle as planned, one final outcome for each row, and what was given is ours."""
        assert self.written() == {0, 1, 2, 3, 4, 5, 6, 7, 9, 10}
        assert set(self.moodle.access.members(self.cohort)) == {STAYS, *COHORT}
        assert {one["userid"]: one["timeend"] for one in self.moodle.access.enrolments(self.course)} == dict.fromkeys(
            COURSE, UNTIL
        )
        frame = staging.read_frame(ObjectStoragePath(f"file://{self.folder}"), ACCESS_OUTCOMES.name)
        kept = access_outcomes(self.ledger, self.run, self.digest)
        for outcomes, positions in ((frame, range(13)), (kept, [*range(11), 12])):
            assert list(outcomes["position"]) == list(positions)
            told = dict(zip(outcomes["position"], zip(outcomes["status"], outcomes["code"], strict=True), strict=True))
            assert {told[at] for at in (*range(8), 9, 10)} == {("done", "")}
            assert (told[8], told[12]) == (("rejected", "account_gone"), ("rejected", "date_unread"))
        given = given_access(self.ledger, self.name)
        assert sorted(given.loc[given["ours"], "account_id"]) == sorted([*COHORT, *COURSE, *NEW])
        assert count_states(self.ledger, self.run) == {"planned": 0, "sent": 0, "settled": 11}


def staging_json(folder: Path) -> dict[str, Any]:
    import json

    found: dict[str, Any] = json.loads((folder / "told.json").read_text())
    return found


@pytest.fixture
def new_site(
    moodle: SandboxMoodle, worker: Worker, tmp_path: Path, sqlite_url: str
) -> Iterator[Callable[..., AccessSite]]:
    opened: list[AccessSite] = []

    def make(**settings: Any) -> AccessSite:
        opened.append(AccessSite(moodle, sqlite_url, worker, tmp_path, **settings))
        return opened[-1]

    yield make
    for site in opened:
        site.ledger.close()


def test_killed_at_each_kind_of_step_the_next_try_finishes_the_plan(new_site: Callable[..., AccessSite]) -> None:
    whole = new_site()
    assert whole.one_try() == 0
    whole.check()
    steps = whole.steps()
    calls = ("create_cohorts", "add_cohort_members", "delete_cohort_members", "enrol_users", "unenrol_users")
    assert {f"{when} {call}" for when in ("before", "after") for call in calls} <= set(steps)
    assert {"before the intention", "after the outcomes", "while Moodle works"} <= set(steps)
    for step in different(steps):
        site = new_site()
        assert site.one_try(step) == KILLED, f"not killed at step {step} ({steps[step - 1]})"
        assert site.written() <= site.announced(), f"sent without a record: step {step} ({steps[step - 1]})"
        assert site.one_try() == 0, f"not finished after a kill at step {step} ({steps[step - 1]})"
        site.check()


def different(steps: list[str]) -> Iterator[int]:
    """Give the number of each step that comes after a step as no earlier one of its name does: a batch more is not another way to die."""
    seen = set()
    for number, pair in enumerate(zip(["", *steps], steps, strict=False), start=1):
        if pair not in seen:
            seen.add(pair)
            yield number


@pytest.mark.parametrize("seed", range(3))
def test_killed_again_and_again_with_two_requests_at_a_time(new_site: Callable[..., AccessSite], seed: int) -> None:
    site, chance = new_site(parallel_requests=2, batch_size=1), random.Random(seed)
    killed = 0
    while killed < MOST_KILLS and site.one_try(chance.randint(1, 60)) == KILLED:
        killed += 1
        assert site.written() <= site.announced()
    assert killed
    assert site.one_try() == 0
    site.check()


def test_what_moodle_does_after_the_worker_is_gone_is_found_there(new_site: Callable[..., AccessSite]) -> None:
    site = new_site()
    site.moodle.faults.add(f"latency=0.3,first=1,function={ENROL_USERS}")
    assert site.one_try(while_moodle_works("before enrol_users")) == KILLED
    assert site.one_try() == 0
    site.check()


def test_a_finished_plan_is_not_sent_again(new_site: Callable[..., AccessSite]) -> None:
    site = new_site()
    assert site.one_try() == 0
    before = len(site.moodle.calls.all())
    assert site.one_try() == 0
    assert len(site.moodle.calls.all()) == before
    site.check()


def test_a_moodle_that_is_away_leaves_the_plan_as_it_is(new_site: Callable[..., AccessSite]) -> None:
    site = new_site()
    site.moodle.faults.add("503")
    assert site.one_try() == STOPPED
    assert site.written() == set()
    assert count_states(site.ledger, site.run)["sent"] == 0
    site.moodle.faults.clear()
    assert site.one_try() == 0
    site.check()
