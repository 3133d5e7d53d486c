"""Accounts that Moodle cannot show, over HTTP: their persons are not made twice, and no night is red for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from orchestration.coupling import Coupling, connect

from moodle_coupling.ledger.mismatches import mismatches_frame
from moodle_coupling.ledger.words import MismatchStatus
from moodle_coupling.orchestration.run import the_ledger
from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle

if TYPE_CHECKING:
    from collections.abc import Iterator

ZOE = ("1", "CV-1", "Zoë", "", "Meer", "zoe@example.org", "Utrecht")
JAN = ("2", "CV-2", "Jan", "", "Jansen", "jan@example.org", "Zwolle")
PIET = ("3", "CV-3", "Piet", "", "Smit", "smit@example.org", "Ede")
ODD = [
    {"username": "zoé", "firstname": "Zoë", "lastname": "Meer", "email": "zoe@example.org", "idnumber": "CV-1"},
    {"username": "Jan Jansen", "firstname": "Jan", "lastname": "Jansen", "email": "j@example.org", "idnumber": "CV-2"},
]


@pytest.fixture
def moodle(coupling: Coupling, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxMoodle]:
    with running_moodle(accounts=ODD) as running:
        connect(monkeypatch, coupling.name, running.url, running.token)
        yield running


@pytest.mark.parametrize("nightly", [False, True])
def test_their_persons_are_mismatches_and_the_runs_succeed(
    coupling: Coupling, moodle: SandboxMoodle, *, nightly: bool
) -> None:
    coupling.persons([ZOE, JAN, PIET])
    for actions in ({"none": 2, "create": 1}, {"none": 3}):
        run = coupling.reconcile() if nightly else coupling.run()
        assert (run.state, run.actions) == ("success", actions)
        verdicts = run.frame("plan").set_index("idnumber")["verdict"].to_dict()
        assert (verdicts["CV-1"], verdicts["CV-2"]) == ("unreadable", "unreadable")
    assert sorted(one["idnumber"] for one in moodle.accounts() if one["idnumber"]) == ["CV-1", "CV-2", "CV-3"]
    rows = mismatches_frame(the_ledger(), coupling.name, statuses=(MismatchStatus.OPEN,))
    assert sorted(rows["verdict"]) == ["unreadable", "unreadable"]

    moodle.table.update(moodle.account("zoé")["id"], {"username": "zoe"})  # type: ignore[index]
    run = coupling.reconcile() if nightly else coupling.run()
    assert run.frame("plan").set_index("idnumber")["verdict"]["CV-1"] == "linked"
