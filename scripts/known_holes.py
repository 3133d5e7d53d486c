"""Tells what pip-audit found: holes are a failure, a registry of holes that did not answer is only said."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(found: str, status: str, said: str) -> int:
    """Print what was found; 1 where the pinned set has a known hole."""
    file = Path(found)
    if not file.exists():
        words = Path(said).read_text("utf-8").strip().splitlines()
        print(f"  left out: pip-audit gave no answer (exit code {status}): {words[-1] if words else 'it said nothing'}")
        return 0
    packages = json.loads(file.read_text("utf-8"))["dependencies"]
    holes = [(one["name"], one["version"], hole) for one in packages for hole in one.get("vulns", ())]
    for name, version, hole in holes:
        print(f"  {name} {version}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'no release yet'}")
    unknown = sum("skip_reason" in one for one in packages)
    print(f"  {len(packages) - unknown} packages looked up, {len(holes)} known holes")
    if unknown:
        print(f"  left out: {unknown} packages, of which the registry of known holes says nothing from here")
    return 1 if holes else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
