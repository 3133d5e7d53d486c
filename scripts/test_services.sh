#!/usr/bin/env bash
# Installs what the tests start for themselves, from Debian's packages: PostgreSQL and Chromium, or those that are named.
#   scripts/test_services.sh [postgresql|chromium|redis-server …]
# Where it may not (no root, no apt) it says what is left out; with CI=true that is a failure.
set -euo pipefail

have_postgresql() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null; }
have_redis-server() { command -v redis-server >/dev/null; }
have_chromium() { command -v chromium >/dev/null || command -v chromium-browser >/dev/null; }

declare -A tests_of=(
    [postgresql]="the ledger's tests on PostgreSQL, and the SQL source's"
    [chromium]="the tests of the pages in a browser"
    [redis-server]="make scale-test"
)
updated=no
all=yes

left_out() { # package, why
    echo "test_services: $2" >&2
    echo "test_services: left out: ${tests_of[$1]}. To run them: sudo apt install $1" >&2
    all=no
}

install() {
    export DEBIAN_FRONTEND=noninteractive
    if [ "$updated" = no ]; then apt-get update -qq && updated=yes; fi
    apt-get install -y -qq --no-install-recommends "$1" >/dev/null
}

# The tests start a PostgreSQL of their own; Debian's need not run.
keep_quiet() {
    mkdir -p /etc/postgresql-common
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
    fi
}

if [ $# = 0 ]; then set -- postgresql chromium; fi
for package in "$@"; do
    if "have_$package"; then continue; fi
    if ! command -v apt-get >/dev/null; then
        left_out "$package" "there is no $package, and no apt-get to install it with"
    elif [ "$(id -u)" != 0 ]; then
        left_out "$package" "there is no $package, and only root may install it"
    else
        echo "test_services: installing $package" >&2
        if [ "$package" = postgresql ]; then keep_quiet; fi
        if ! install "$package" || ! "have_$package"; then left_out "$package" "apt-get could not install $package"; fi
    fi
done
if [ "$all" = no ] && [ "${CI:-}" = true ]; then exit 1; fi
