#!/usr/bin/env bash
# Makes .venv with the pinned set and this project in it; does nothing when it is up to date.
#   scripts/bootstrap.sh [dev|scale]     dev: also what tests and linters need
#                                        scale: .venv-scale instead, with what make scale-test needs
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-run}
venv=.venv
pinned=requirements.txt
if [ "$what" = scale ]; then
    venv=.venv-scale
    pinned=requirements-scale.txt
fi

python=${PYTHON:-python3}
if ! command -v "$python" >/dev/null; then
    echo "bootstrap: there is no '$python'. Install Python 3.11 or newer (apt install python3 python3-venv) or say PYTHON=…" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "bootstrap: '$python' is $("$python" --version 2>&1); 3.11 or newer is needed. Say PYTHON=/path/to/python3.11" >&2
    exit 1
fi

stamp=$(cat "$pinned" requirements-dev.txt pyproject.toml scripts/bootstrap.sh | cksum | tr -d ' ')
for done in "$venv/.installed-dev" "$venv/.installed-$what"; do
    if [ -f "$done" ] && [ "$(cat "$done")" = "$stamp" ]; then exit 0; fi
done

if [ ! -x $venv/bin/python ] || ! $venv/bin/python -m pip --version >/dev/null 2>&1; then
    rm -rf $venv
    if ! "$python" -m venv $venv 2>/dev/null; then
        rm -rf $venv
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            echo "bootstrap: installing python3-venv" >&2
            apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
            "$python" -m venv $venv
        else
            echo "bootstrap: '$python -m venv' does not work. Run: sudo apt install python3-venv" >&2
            exit 1
        fi
    fi
fi

requirements=(-r "$pinned")
if [ "$what" = dev ]; then requirements+=(-r requirements-dev.txt); fi
echo "bootstrap: installing the pinned set into $venv" >&2
pip=($venv/bin/python -m pip install -q --disable-pip-version-check)
# Compiled here once: where Python may write no bytecode (images set PYTHONDONTWRITEBYTECODE), each process would compile
# all of Airflow anew, which takes ten seconds. Every file is compared with its hash; uv itself is pip's to fetch, so its lines are given to pip alone.
sed -n '/^uv==/,/[^\\]$/p' requirements-dev.txt >$venv/uv.txt
if "${pip[@]}" --require-hashes -r $venv/uv.txt &&
    $venv/bin/uv pip install -q --require-hashes --compile-bytecode --python $venv/bin/python "${requirements[@]}"; then
    $venv/bin/uv pip install -q --python $venv/bin/python --no-deps -e .
else # an index that only pip is set up for
    "${pip[@]}" --require-hashes "${requirements[@]}"
    "${pip[@]}" --no-deps -e .
fi
echo "$stamp" >"$venv/.installed-$what"
