"""The demo's coupling from a file, under the name demo: what tests of a whole Airflow and of the pages work with."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def write_mapping(folder: Path) -> Path:
    """Write demo.yaml, with the persons of include/samples/persons.csv and the connection moodle_demo."""
    text = (ROOT / "include/mappings/demo_file.yaml").read_text()
    path = folder / "demo.yaml"
    path.write_text(text.replace("demo_file", "demo").replace("Demo, from a file", "Demo"))
    return path


def write_inputs(home: Path) -> None:
    """Write the mapping file and its persons below ``home``/include."""
    for name in ("mappings", "samples"):
        (home / "include" / name).mkdir(parents=True)
    write_mapping(home / "include/mappings")
    shutil.copy(ROOT / "include/samples/persons.csv", home / "include/samples")
