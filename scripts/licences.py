"""Writes docs/licences.md, the licences of the packages that are pinned for run time; with --check it compares only."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "licences.md"
COPYLEFT = re.compile(r"GPL|EPL|MPL|Mozilla|Artistic", re.IGNORECASE)
SENTENCES = """# Licences of what we stand on

Made by `scripts/licences.py` from what each package says of itself; versions stand in requirements.txt. This project itself is
under the Apache License 2.0 (LICENSE).

**For whoever redistributes.** Installing from a package index, as `requirements.txt` and the wheel do, hands on none of these packages:
each is fetched by whoever installs it, under its own licence, and the wheel of this project holds only our own code. Whoever
ships them *together* (a container image, a disk image, an installer) redistributes them and has to follow each licence. One of them
decides the whole: **Unidecode is under the GPL, version 2 or later**. Version 2 alone does not go with Apache-2.0, version 3 does, so an image
with both may be passed on under the terms of GPL 3: with the licence texts, and with the sources or an offer of them. Using it
inside an organisation is no redistribution. `text-unidecode` (below Airflow) may be taken under the Artistic License.
The LGPL packages (psycopg, psycopg2, paramiko) stay separate, replaceable modules: keep their texts with them and do not change
them silently. `asyncssh` may be taken under EPL-2.0. Ours is no legal advice.

"""


def pinned() -> list[str]:
    """Give the names of the packages in requirements.txt."""
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    return [match[1] for line in lines if (match := re.match(r"([A-Za-z0-9._-]+)==", line))]


def licences() -> dict[str, str]:
    """Give the licence of each pinned package that is installed here, by name."""
    command = [Path(sys.executable).parent / "pip-licenses", "--format=json", "--from=mixed"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    said = {_plain(one["Name"]): one["License"] for one in json.loads(answer)}
    return {name: said[_plain(name)] for name in pinned() if _plain(name) in said}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def page(known: dict[str, str]) -> str:
    """Give the page's text: those with conditions on passing on first, then the rest."""
    rows = sorted(known.items(), key=lambda one: (not COPYLEFT.search(one[1]), one[0].lower()))
    table = "".join(f"| {name} | {licence} |\n" for name, licence in rows)
    return f"{SENTENCES}| package | licence |\n|---|---|\n{table}"


def main() -> int:
    """Write the page, or tell what is missing in it."""
    known = licences()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(known), "utf-8")
        return 0
    lines = set(PAGE.read_text("utf-8").splitlines())
    # Another Python or system has a few packages more or fewer; what is installed here must stand there.
    missing = [name for name, licence in known.items() if f"| {name} | {licence} |" not in lines]
    if missing:
        print(f"docs/licences.md does not have {', '.join(missing)} as installed: run python scripts/licences.py")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
