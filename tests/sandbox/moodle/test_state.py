"""What was committed stays: through a restart, a kill, and a crowd."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sandbox.moodle.client import Client, someone

from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle
from moodle_coupling.sandbox.moodle.accounts import Accounts, UsernameTaken
from moodle_coupling.sandbox.moodle.context import PER_CALL, Work, service_seconds

PLUGINS = Path(__file__).parents[3] / "plugins"
SERVER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from moodle_coupling.sandbox.moodle import SandboxMoodle
sandbox = SandboxMoodle(state=sys.argv[2], token="t0ken")
sandbox.start()
print(sandbox.url, flush=True)
time.sleep(600)
"""


def test_a_killed_server_keeps_what_it_had_confirmed(tmp_path):
    state = tmp_path / "moodle.db"
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(PLUGINS), str(state)], stdout=subprocess.PIPE, text=True
    )
    with server:
        remote = SandboxMoodle(token="t0ken")
        remote.url = server.stdout.readline().strip()
        client = Client(remote)
        with client.session:
            created = client.create(*(someone(f"jan{n}") for n in range(20)))
        server.send_signal(signal.SIGKILL)
        remote.stop()

    with running_moodle(state=state) as site:
        names = [account["username"] for account in site.accounts()]
        assert names[3:] == [account["username"] for account in created]
        again = Client(site)
        with again.session:
            (new,) = again.create(someone("piet"))
        assert new["id"] > created[-1]["id"]


def test_accounts_to_start_with_are_added_once(tmp_path):
    state, people = (
        tmp_path / "moodle.db",
        [{"username": "jan", "email": "jan@example.org", "profile_field_customfield1": "x"}],
    )
    for _ in range(2):
        with running_moodle(state=state, accounts=people) as site:
            assert [a["username"] for a in site.accounts()] == ["guest", "admin", "svc-coupling", "jan"]
            assert site.account("jan")["profile_fields"] == {"customfield1": "x"}


def test_the_same_batch_twice_at_once_is_created_once(site):
    people = [someone(f"jan{n}") for n in range(50)]

    def send(_):
        client = Client(site)
        with client.session:
            return client.create(*people)

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(send, range(2)))

    assert sorted(isinstance(answer, list) for answer in answers) == [False, True]
    assert len(site.accounts()) == 53


def test_many_clients_at_once_each_get_their_own_answer(site):
    def work(number):
        client = Client(site)
        with client.session:
            (created,) = client.create(someone(f"jan{number}"))
            client.update({"id": created["id"], "city": f"Plaats {number}"})
            (found,) = client.by_field("id", created["id"])
            return found["username"], found["city"]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(40))) == [(f"jan{n}", f"Plaats {n}") for n in range(40)]


def test_a_refused_batch_uses_up_ids_as_mariadb_does(client):
    client.create(someone("jan"), someone("piet", email="x"))

    assert client.create(someone("klaas")) == [{"id": 51, "username": "klaas"}]


def insert_both(accounts, *names):
    with accounts.transaction():
        for name in names:
            accounts.insert({"username": name})


def test_a_transaction_in_a_transaction_is_undone_alone():
    accounts = Accounts()
    with accounts.transaction():
        accounts.insert({"username": "jan"})
        with pytest.raises(UsernameTaken):
            insert_both(accounts, "piet", "JAN")
    names = [account["username"] for account in accounts.all()]
    accounts.close()

    assert names == ["jan"]


def test_a_realistic_sandbox_takes_the_time_the_work_takes(monkeypatch):
    slept = []
    monkeypatch.setattr("moodle_coupling.sandbox.moodle.context.time.sleep", slept.append)
    with running_moodle(settings={"realistic": True}) as site:
        client = Client(site)
        with client.session:
            people = [someone(f"jan{n}", customfields=[{"type": "customfield1", "value": "x"}]) for n in range(50)]
            client.create(*people)

    assert service_seconds(Work(accounts=50, profile_fields=50)) == pytest.approx(0.203)
    assert [0 < seconds <= 0.203 for seconds in slept] == [True]


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        ({"database": "mariadb"}, 0.0419), ({"database": "mariadb", "email_indexed": True}, 0.0419),
        ({"database": "mariadb", "allowaccountssameemail": True}, 0.0021), ({"database": "postgresql"}, 0.0235),
        ({"database": "postgresql", "email_indexed": True}, 0.0031),
    ],
    ids=str,
)  # fmt: skip
def test_an_account_takes_longer_to_create_the_more_there_are(monkeypatch, settings, seconds):
    """As measured at some 40,000 accounts; those without a check of the address took somewhat less than on the first site."""
    slept = []
    monkeypatch.setattr("moodle_coupling.sandbox.moodle.context.time.sleep", slept.append)
    with running_moodle(settings={"realistic": True, **settings}) as site:
        monkeypatch.setattr(site.table, "count", lambda: 41_000)
        monkeypatch.setattr("moodle_coupling.sandbox.moodle.context.time.monotonic", lambda: 0.0)
        client = Client(site)
        with client.session:
            client.create(*(someone(f"jan{n}") for n in range(50)))

    assert (slept[0] - PER_CALL) / 50 == pytest.approx(seconds, rel=0.1, abs=0.001)


def test_a_search_takes_longer_the_more_accounts_there_are():
    found = service_seconds(Work(rows_searched=40_000)) - service_seconds(Work())

    assert found == pytest.approx(0.041, rel=0.05)


def test_nothing_of_a_sandbox_shows_its_token(site):
    assert site.token not in f"{site!r} {site.tokens.find(site.token)!r} {site.settings!r}"
