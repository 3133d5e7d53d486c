"""``moodle-coupling sandbox moodle`` in a terminal."""

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
RUN = """
import argparse, sys
sys.path.insert(0, sys.argv.pop(1))
from moodle_coupling.sandbox.cli import add_sandbox_parser
parser = argparse.ArgumentParser()
add_sandbox_parser(parser.add_subparsers(required=True))
arguments = parser.parse_args()
sys.exit(arguments.func(arguments))
"""


def parse(*words):
    parser = argparse.ArgumentParser()
    add_sandbox_parser(parser.add_subparsers(required=True))
    return parser.parse_args(["sandbox", "moodle", *words])


def run(*words):
    """Run a command line that is expected to end at once; give status."""
    arguments = parse(*words)
    return arguments.func(arguments)


class Terminal:
    """A sandbox in a process of its own."""

    def __init__(self, *words, **environment):
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(PLUGINS), "sandbox", "moodle", "--port", "0", *words],
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


def test_a_random_token_is_shown_and_ctrl_c_ends_it():
    with Terminal(MOODLE_SANDBOX_TOKEN="") as terminal:
        shown = terminal.process.stdout.readline()
        token = re.fullmatch(r"  token: +([0-9a-f]{32})\n", shown)[1]

        assert terminal.info(token).json()["userid"] == 3
        assert terminal.end(signal.SIGINT) == 0


def test_the_token_can_come_from_the_environment():
    with Terminal(MOODLE_SANDBOX_TOKEN="fr0m-env") as terminal:
        assert terminal.info("fr0m-env").json()["userid"] == 3


def test_a_port_that_is_taken_is_said_and_another_can_be_chosen(capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        assert run("--port", str(port)) == 1
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


def test_a_port_is_a_number():
    with pytest.raises(SystemExit, match="2"):
        parse("--port", "many")
