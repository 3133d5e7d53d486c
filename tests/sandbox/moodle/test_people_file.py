"""The accounts a sandbox starts with come from a CSV file."""

from __future__ import annotations

import pytest

from moodle_coupling.errors import SourceError
from moodle_coupling.sandbox.moodle import running_moodle
from moodle_coupling.sandbox.moodle.accounts import read_accounts


def read(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "accounts.csv"
    path.write_bytes(text.encode(encoding))
    return read_accounts(path)


def test_columns_are_moodles_own_and_profile_fields(tmp_path):
    text = (
        "id,username,email,idnumber,suspended,profile_field_customfield1\n"
        '70,jan,jan@example.org,CV-1,true,"een, twee"\n,piet,piet@example.org,,0,\n'
    )
    accounts = read(tmp_path, text)

    assert accounts == [
        {"id": 70, "username": "jan", "email": "jan@example.org", "idnumber": "CV-1", "suspended": 1,
         "profile_field_customfield1": "een, twee"},
        {"username": "piet", "email": "piet@example.org", "suspended": 0},
    ]  # fmt: skip
    with running_moodle(accounts=accounts) as site:
        assert [(a["id"], a["suspended"]) for a in site.accounts()[3:]] == [(70, 1), (71, 0)]
        assert site.account("jan")["profile_fields"] == {"customfield1": "een, twee"}


def test_semicolons_a_byte_order_mark_and_newlines_in_cells_are_fine(tmp_path):
    text = '\ufeffusername; email;lastname\r\njan;jan@example.org;"van\nder Berg"\r\n'

    assert read(tmp_path, text) == [{"username": "jan", "email": "jan@example.org", "lastname": "van\nder Berg"}]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "line 1: the accounts file has no column 'username'"),
        ("username\njan\n", "has no column 'email'"),
        ("username,email,shoe\n", "has a column 'shoe' that Moodle does not know"),
        ("username,email\njan,j@example.org,x\n", "line 2: this row has more cells"),
        ("username,email\n,j@example.org\n", "line 2: an account needs a username"),
        ("username,email,id\njan,j@example.org,x\n", "line 2, column id: 'x' is no whole number"),
    ],
)
def test_a_wrong_file_is_refused_by_line_and_column(tmp_path, text, complaint):
    with pytest.raises(SourceError, match=complaint):
        read(tmp_path, text)


def test_a_file_that_is_no_utf8_or_not_there_is_refused(tmp_path):
    with pytest.raises(SourceError, match="cannot be read as UTF-8"):
        read(tmp_path, "username,email\nJän,j@example.org\n", "cp1252")
    with pytest.raises(SourceError, match="cannot be read as UTF-8"):
        read_accounts(tmp_path / "nothing.csv")
