"""``moodle-coupling sandbox moodle`` and ``sandbox coachview`` in a terminal."""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from moodle_coupling.sandbox.cli import add_sandbox_parser

PLUGINS = Path(__file__).parents[2] / "plugins"
# A terminal lets Ctrl-C through; whoever starts the suite in the background may have had it ignored, and that is inherited.
RUN = """
import argparse, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, sys.argv.pop(1))
from moodle_coupling.sandbox.cli import add_sandbox_parser
parser = argparse.ArgumentParser()
add_sandbox_parser(parser.add_subparsers(required=True))
arguments = parser.parse_args()
sys.exit(arguments.func(arguments))
"""


def parse(*words, kind="moodle"):
    parser = argparse.ArgumentParser()
    add_sandbox_parser(parser.add_subparsers(required=True))
    return parser.parse_args(["sandbox", kind, *words])


def run(*words, kind="moodle"):
    """Run a command line that is expected to end at once; give status."""
    arguments = parse(*words, kind=kind)
    return arguments.func(arguments)


class Terminal:
    """A sandbox in a process of its own."""

    def __init__(self, *words, kind="moodle", **environment):
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(PLUGINS), "sandbox", kind, "--port", "0", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **environment},
        )
        self.head = self.process.stdout.readline() + self.process.stdout.readline()
        found = re.search(r"http://[\d.:]+", self.head)
        self.url = found[0] if found else self.head

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        with self.process:
            pass

    def end(self, how):
        self.process.send_signal(how)
        self.rest, _ = self.process.communicate(timeout=30)
        return self.process.returncode

    def token(self, client_id, secret):
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        return requests.post(f"{self.url}/auth/connect/token", data=form, timeout=30)

    def info(self, token):
        fields = {"wstoken": token, "wsfunction": "core_webservice_get_site_info", "moodlewsrestformat": "json"}
        return requests.post(f"{self.url}/webservice/rest/server.php", data=fields, timeout=30)


def test_a_sandbox_runs_until_it_is_ended(tmp_path):
    accounts = tmp_path / "accounts.csv"
    accounts.write_text("username,email\njan,jan@example.org\n")
    words = ("--accounts", str(accounts), "--token", "t0ken", "--setting", "sitename=Proef", "--fault", "503,first=1")
    with Terminal(*words, "--realistic") as terminal:
        assert terminal.info("t0ken").status_code == 503
        assert terminal.info("t0ken").json()["sitename"] == "Proef"
        assert "accounts: 4" in terminal.head
        assert requests.get(f"{terminal.url}/sandbox/settings", timeout=30).json()["realistic"] is True

        assert terminal.end(signal.SIGTERM) == 0
        assert "t0ken" not in terminal.head + terminal.rest


def test_cohorts_and_courses_come_from_a_file(tmp_path, capsys):
    access = tmp_path / "access.json"
    access.write_text('{"cohorts": [{"name": "Docenten", "members": ["admin"]}], "courses": [{"shortname": "BHV"}]}')
    with Terminal("--access", str(access), "--token", "t0ken") as terminal:
        state = requests.get(f"{terminal.url}/sandbox/state", timeout=30).json()

        assert "cohorts: 1   courses: 1 " in terminal.head
        assert [state["cohorts"][0]["members"], state["courses"][0]["shortname"]] == [[2], "BHV"]

    access.write_text('{"cohorts": [{"name": "Docenten", "members": ["nobody"]}]}')
    assert run("--access", str(access), "--port", "0") == 1
    assert "nobody" in capsys.readouterr().err


def test_a_random_token_is_shown_and_ctrl_c_ends_it():
    with Terminal(MOODLE_SANDBOX_TOKEN="") as terminal:
        shown = terminal.process.stdout.readline()
        token = re.fullmatch(r"  token: +([0-9a-f]{32})\n", shown)[1]

        assert terminal.info(token).json()["userid"] == 3
        assert terminal.end(signal.SIGINT) == 0


def test_the_token_can_come_from_the_environment():
    with Terminal(MOODLE_SANDBOX_TOKEN="fr0m-env") as terminal:
        assert terminal.info("fr0m-env").json()["userid"] == 3


def test_a_coachview_runs_until_it_is_ended(tmp_path):
    people = tmp_path / "people.json"
    people.write_text('[{"achternaam": "Jansen"}]')
    words = ("--people", str(people), "--client-id", "school", "--setting", "take_maximum=50", "--fault", "503,first=1")
    with Terminal(*words, "--realistic", kind="coachview", COACHVIEW_SANDBOX_CLIENT_SECRET="s3cret") as terminal:
        assert terminal.token("school", "s3cret").status_code == 503
        token = terminal.token("school", "s3cret").json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        (row,) = requests.get(f"{terminal.url}/api/v1/Personen", headers=bearer, timeout=30).json()
        settings = requests.get(f"{terminal.url}/sandbox/settings", timeout=30).json()

        assert row["achternaam"] == "Jansen"
        assert (settings["take_maximum"], settings["realistic"]) == (50, True)
        assert "people:   1 " in terminal.head
        assert terminal.end(signal.SIGTERM) == 0
        assert "s3cret" not in terminal.head + terminal.rest


def test_a_coachview_of_invented_people_shows_a_random_secret():
    with Terminal("--generate", "30", kind="coachview", COACHVIEW_SANDBOX_CLIENT_SECRET="") as terminal:
        assert "people:   30 " in terminal.head
        assert terminal.process.stdout.readline() == "  client:   sandbox-client\n"
        secret = re.fullmatch(r"  secret:   (\S{32})\n", terminal.process.stdout.readline())[1]

        assert terminal.token("sandbox-client", secret).status_code == 200
        assert terminal.end(signal.SIGINT) == 0


@pytest.mark.parametrize("kind", ["moodle", "coachview"])
def test_a_port_that_is_taken_is_said_and_another_can_be_chosen(capsys, kind):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        assert run("--port", str(port), kind=kind) == 1
    told = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1:{port}" in told
    assert "Choose another with --port" in told


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--fault", "teapot"), "Sandbox fault 'teapot' is unknown"),
        (("--setting", "nonsense=1"), "The sandbox has no setting 'nonsense'"),
        (("--setting", "debug"), "--setting 'debug' has no '='"),
        (("--setting", "debug=loud"), "choose one of none, minimal, normal"),
        (("--accounts", "nothing.csv"), "nothing.csv cannot be read"),
        (("--state", "/nowhere/at/all.db"), "unable to open database file"),
    ],
)
def test_what_is_wrong_is_said_and_the_status_is_one(capsys, words, complaint):
    assert run("--port", "0", *words) == 1
    assert complaint in capsys.readouterr().err


def test_two_accounts_with_one_id_are_refused(tmp_path, capsys):
    accounts = tmp_path / "accounts.csv"
    accounts.write_text("id,username,email\n60,jan,j@example.org\n60,piet,p@example.org\n")

    assert run("--port", "0", "--accounts", str(accounts)) == 1
    assert "an id is there twice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--fault", "teapot"), "Sandbox fault 'teapot' is unknown"),
        (("--setting", "nonsense=1"), "The sandbox has no setting 'nonsense'"),
        (("--setting", "empty_values=odd"), "choose one of absent, null, empty"),
        (("--people", "nothing.json"), "nothing.json cannot be read"),
    ],
)
def test_what_is_wrong_with_a_coachview_is_said(capsys, words, complaint):
    assert run("--port", "0", *words, kind="coachview") == 1
    assert complaint in capsys.readouterr().err


def test_people_that_do_not_fit_coachview_are_refused(tmp_path, capsys):
    people = tmp_path / "people.json"
    people.write_text('[{"achternaam": "Jansen", "inactief": "ja"}]')

    assert run("--port", "0", "--people", str(people), kind="coachview") == 1
    assert "people.json do not fit Coachview" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("--port", "many"), "moodle"),
        (("--generate", "many"), "coachview"),
        (("--generate", "5", "--people", "x.json"), "coachview"),
    ],
)
def test_words_that_make_no_sense_are_a_usage_error(words, kind):
    with pytest.raises(SystemExit, match="2"):
        parse(*words, kind=kind)
