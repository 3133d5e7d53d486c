#!/usr/bin/env bash
# Installs the servers that the tests start for themselves: PostgreSQL, from Debian's packages.
# Where it may not (no root, no apt) it says what is left out; with CI=true that is a failure.
set -euo pipefail

have_postgres() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null; }

left_out() {
    echo "test_services: $1" >&2
    echo "test_services: left out: the ledger's tests on PostgreSQL. To run them: sudo apt install postgresql" >&2
    if [ "${CI:-}" = true ]; then exit 1; fi
    exit 0
}

if have_postgres; then exit 0; fi
if ! command -v apt-get >/dev/null; then left_out "there is no PostgreSQL, and no apt-get to install it with"; fi
if [ "$(id -u)" != 0 ]; then left_out "there is no PostgreSQL, and only root may install it"; fi

echo "test_services: installing PostgreSQL" >&2
export DEBIAN_FRONTEND=noninteractive
# The tests start a server of their own; Debian's need not run.
mkdir -p /etc/postgresql-common
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
fi
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql >/dev/null; }; then
    left_out "apt-get could not install PostgreSQL"
fi
if ! have_postgres; then left_out "PostgreSQL was installed, but there is no initdb"; fi
