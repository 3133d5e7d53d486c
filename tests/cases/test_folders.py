"""Every folder of inputs has a test, and holds invented people only."""

from __future__ import annotations

import ast
import re
import zipfile
from pathlib import Path

import pytest

FOLDERS = sorted(path.parent for path in Path(__file__).parent.glob("*/expected.md"))
_ADDRESS = re.compile(rb"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+")


def _texts_of_tests() -> set[str]:
    """Give every text that stands in a test function of this folder or as a parameter of one."""
    found = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found |= {text.value for text in ast.walk(node) if isinstance(text, ast.Constant)}
    return found


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_folder_is_named_by_a_test(folder: Path) -> None:
    assert folder.name in _texts_of_tests(), f"no test in tests/cases names '{folder.name}'"


def test_every_folder_says_what_is_right() -> None:
    folders = {path for path in Path(__file__).parent.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert sorted(folders) == FOLDERS


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_people_are_invented(folder: Path) -> None:
    for path in folder.iterdir():
        content = path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                content = b"\n".join(archive.read(name) for name in archive.namelist())
        hosts = {address.rpartition(b"@")[2].lower() for address in _ADDRESS.findall(content)}
        assert {host for host in hosts if not host.endswith(b"example.org")} == set(), path.name
