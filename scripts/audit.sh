#!/usr/bin/env bash
# What strangers' code brings in: known holes, licences, and whether the pinned set fits beside what people add to it.
# A registry of known holes that cannot be reached is said, and is no failure: it says nothing about the code.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "audit: dangerous calls in our own code (bandit, medium and above; ruff's S rules hold the rest line by line)"
"$bin/bandit" -q -ll -c pyproject.toml -r plugins dags scripts

echo "audit: the pinned set beside the FAB auth manager"
echo "apache-airflow-providers-fab" >"$work/fab.in"
"$bin/uv" pip compile -q --no-header --python-version 3.11 -c requirements.txt \
    pyproject.toml --extra postgres --extra sqlite --extra sftp "$work/fab.in" -o "$work/fab.txt"
grep -E '^(apache-airflow-providers-fab|flask-appbuilder)==' "$work/fab.txt"

echo "audit: licences of the pinned set (docs/licences.md)"
"$bin/python" scripts/licences.py --check

for pinned in "requirements.txt requirements-dev.txt" requirements-scale.txt; do
    echo "audit: known holes in $pinned (pip-audit)"
    files=()
    for file in $pinned; do files+=(-r "$file"); done
    status=0
    rm -f "$work/holes.json"
    timeout 120 "$bin/pip-audit" --disable-pip --require-hashes "${files[@]}" \
        --progress-spinner off --format json -o "$work/holes.json" 2>"$work/said" || status=$?
    "$bin/python" scripts/known_holes.py "$work/holes.json" "$status" "$work/said"
done
