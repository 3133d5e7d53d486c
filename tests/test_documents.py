"""What documents and docstrings say of the project's own files: each file that is named is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NAMED = re.compile(r"`([\w./{},-]+\.py)`")
FILES = frozenset(
    str(path.relative_to(ROOT))
    for top in ("plugins", "tests", "scripts", "benchmarks", "dags")
    for path in (ROOT / top).rglob("*.py")
)
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])


def named(text: str) -> list[str]:
    """Give the Python files that a text names, `a/{b,c}.py` as two."""
    found = []
    for name in NAMED.findall(text):
        before, brace, rest = name.partition("{")
        if brace:
            middle, _, after = rest.partition("}")
            found += [f"{before}{one}{after}" for one in middle.split(",")]
        else:
            found.append(name)
    return found


def is_there(name: str) -> bool:
    return any(file == name or file.endswith(f"/{name}") for file in FILES)


def test_names_in_braces_are_files_of_their_own() -> None:
    assert named("see `a/{b,c}.py` and `d.py`, not e.py") == ["a/b.py", "a/c.py", "d.py"]
    assert not is_there("nowhere/at_all.py")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_that_a_document_names_is_there(document: Path) -> None:
    assert [name for name in named(document.read_text("utf-8")) if not is_there(name)] == []
