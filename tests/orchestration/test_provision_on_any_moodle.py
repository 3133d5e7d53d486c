"""The provision DAG on any Moodle, from a file to accounts, twice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from orchestration.coupling import Coupling, connect

if TYPE_CHECKING:
    from contract.any_site import MoodleSite

pytestmark = pytest.mark.any_moodle
# A whole run is expensive. Databases and reports matter to the snapshot, which its own tests read on every kind (and
# test_any_database runs on each database); what a run does with shared addresses and with hidden fields is tried here.
SANDBOX_KINDS = ["mariadb", "hidden"]


def test_people_become_accounts_once_and_changes_follow(
    coupling: Coupling, moodle_site: MoodleSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, coupling.name, moodle_site.url, moodle_site.token)
    prefix, key = moodle_site.prefix, moodle_site.prefix.upper()
    waiting = moodle_site.person(idnumber="", firstname="Piet", lastname="Smit")
    (waiting_id,) = moodle_site.created_ids(waiting)
    rows = [
        (f"{key}1", f"{key}-A", f"Zoë {prefix}", "van der", "Meer", f"{prefix}.zoe@example.org", "Utrecht"),
        (f"{key}2", f"{key}-B", "Jan", "", prefix, f"{prefix}.jan2@example.org", "Zwolle"),
        (f"{key}3", f"{key}-C", "Jan", "", prefix, f"{prefix}.jan3@example.org", "Zwolle"),
        (f"{key}4", f"{key}-D", "", "", "Bakker", f"{prefix}.bakker@example.org", "Ede"),
        (f"{key}5", f"{key}-E", "Piet", "", "Smit", waiting["email"], "Ede"),
    ]
    coupling.persons(rows)
    first = coupling.run()
    idnumbers = [f"{key}-{letter}" for letter in "ABCDE"]
    accounts = {account["idnumber"]: account for account in moodle_site.by_field("idnumber", *idnumbers)}
    moodle_site.created += [account["id"] for account in accounts.values()]

    assert first.state == "success"
    assert {key_[-1]: account["username"] for key_, account in accounts.items()} == {
        "A": f"zoe{prefix}-vander-meer",
        "B": f"jan-{prefix}",
        "C": f"jan-{prefix}2",
    }
    assert accounts[f"{key}-A"]["lastname"] == "van der Meer"
    assert "idnumber" not in moodle_site.account(waiting_id)
    plan = first.frame("plan").set_index("person_id")
    # Where the site lets addresses be shared the mapping must say so; it does not, so the address is a question.
    assert plan.loc[f"{key}5", "verdict"] == "id_missing"
    assert plan.loc[f"{key}4", "action"] == "reject"

    assert coupling.run().actions == {"none": 4, "reject": 1}

    coupling.persons([(*rows[0][:3], "de", "Wit", *rows[0][5:]), *rows[1:]])
    changed = coupling.run()
    assert json.loads(changed.frame("plan").set_index("person_id").loc[f"{key}1", "changes"]) == {
        "lastname": ["van der Meer", "de Wit"]
    }
    assert moodle_site.account(accounts[f"{key}-A"]["id"])["lastname"] == "de Wit"
