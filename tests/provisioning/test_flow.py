"""From persons in a file to accounts and back: the second run finds nothing to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from provisioning.plans import AT_ONCE, hook_for

from moodle_coupling.mapping.file import load_mapping, source_base
from moodle_coupling.matching.plan import make_plan
from moodle_coupling.people.transform import transform
from moodle_coupling.provisioning.load.loader import load
from moodle_coupling.provisioning.report import summary
from moodle_coupling.provisioning.snapshot.accounts import read_accounts
from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle
from moodle_coupling.sources.kinds import read_persons

if TYPE_CHECKING:
    import pandas as pd

DEMO = Path(__file__).resolve().parents[2] / "include" / "mappings" / "demo_file.yaml"


@pytest.fixture(scope="module")
def mapping():
    return load_mapping(DEMO)


@pytest.fixture(scope="module")
def transformed(mapping):
    return transform(read_persons(mapping.source, source_base(DEMO)).persons, mapping)


def one_run(moodle: SandboxMoodle, mapping, transformed, *, full: bool = False) -> tuple[pd.DataFrame, pd.DataFrame]:
    with hook_for(moodle) as hook:
        read = read_accounts(hook, transformed.candidates, full=full)
        userid = hook.site_info().userid
        plan = make_plan(
            transformed.candidates, transformed.reasons, read.accounts, mapping, service_userid=userid, full=full
        )
        result = load(plan, hook, pace=AT_ONCE)
    assert result.stopped is None
    assert len(result.outcomes) == len(plan)
    return plan, result.outcomes


@pytest.mark.parametrize("full", [False, True])
def test_the_demo_is_loaded_and_a_second_run_changes_nothing(mapping, transformed, full):
    with running_moodle(settings={"langs": "en,nl"}) as moodle:
        plan, outcomes = one_run(moodle, mapping, transformed, full=full)
        to_write = plan["action"].isin(["create", "update", "link"])
        assert to_write.any()
        assert set(outcomes.loc[to_write, "status"]) == {"done"}
        assert set(outcomes.loc[~to_write, "status"]) <= {"skipped", "rejected"}
        before = moodle.accounts()
        again, _ = one_run(moodle, mapping, transformed, full=full)
        assert set(again["action"]) <= {"none", "reject"}
        assert moodle.accounts() == before


def test_an_interrupted_load_is_finished_by_the_next_run(mapping, transformed):
    with running_moodle(settings={"langs": "en,nl"}) as moodle:
        with hook_for(moodle, batch_size=10, parallel_requests=1) as hook:
            read = read_accounts(hook, transformed.candidates)
            plan = make_plan(transformed.candidates, transformed.reasons, read.accounts, mapping)
            moodle.faults.add("503,skip=3,function=core_user_create_users")
            stopped = load(plan, hook, pace=AT_ONCE)
        assert stopped.stopped is not None
        assert "Not sent: Moodle was away" in summary(plan, stopped.outcomes)
        moodle.faults.clear()
        _, outcomes = one_run(moodle, mapping, transformed)
        assert not set(outcomes["status"]) & {"failed", "unknown"}
        idnumbers = [account["idnumber"] for account in moodle.accounts() if account["idnumber"]]
        assert len(idnumbers) == len(set(idnumbers))
        assert len(idnumbers) == int((plan["action"] == "create").sum())
