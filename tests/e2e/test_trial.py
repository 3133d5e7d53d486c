"""The way that the README describes leads from a CSV to an approved load; docs/trial.md shows it."""

from __future__ import annotations

import re
from pathlib import Path

import trial

ROOT = Path(__file__).resolve().parents[2]


def test_thirty_people_from_a_csv_with_headings_of_its_own_are_loaded_by_what_the_readme_says(tmp_path: Path) -> None:
    steps = [
        title for title, _ in trial.run(tmp_path)
    ]  # raises where a step does not work, or Moodle holds anybody else
    told = (ROOT / "docs/trial.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\d+\. (.*) \([\d.]+ s\)$", told, re.MULTILINE)
    assert [title.replace(str(tmp_path), "…") for title in steps] == shown
