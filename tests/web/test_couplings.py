"""The couplings there are, read again when a file changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from moodle_coupling.errors import SettingError
from moodle_coupling.web.base import couplings
from moodle_coupling.web.base.couplings import by_name


def test_files_are_read_once_and_again_when_they_change(mappings, monkeypatch):
    reads = []
    load = couplings._load
    monkeypatch.setattr(couplings, "_load", lambda folder: reads.append(folder) or load(folder))
    assert by_name() is by_name()
    assert len(reads) == 1
    (mappings / "wrong.yaml").write_text("environment: wrong\nconnection: moodle_wrong\n")
    assert list(by_name()) == ["demo", "wrong"]
    (mappings / "wrong.yaml").unlink()
    assert list(by_name()) == ["demo"]


def test_a_wrong_file_keeps_its_connection_when_it_names_one(mappings):
    (mappings / "one.yaml").write_text("connection: moodle_one\n")
    (mappings / "two.yaml").write_text("- no\n")
    found = by_name()
    assert (found["one"].connection, found["two"].connection) == ("moodle_one", "")
    assert found["one"].mapping is None
    assert "one.yaml" in str(found["one"].error)


def test_a_folder_that_cannot_be_read_is_said(mappings, monkeypatch):
    def refuse(_self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(SettingError, match="cannot be read: Permission denied"):
        by_name()
