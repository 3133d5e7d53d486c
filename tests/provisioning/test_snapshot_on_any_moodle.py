"""Reading everyone on any Moodle, the sandbox or the real site that MOODLE_URL and MOODLE_TOKEN name; nothing is written."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from provisioning.snapshots.site import candidates

from moodle_coupling.errors import MoodleFunctionMissing
from moodle_coupling.hooks.moodle import MoodleHook
from moodle_coupling.hooks.moodle_connection import from_connection
from moodle_coupling.hooks.moodle_reports import LIST_REPORTS, RETRIEVE_REPORT
from moodle_coupling.mapping.parts import SnapshotSettings
from moodle_coupling.provisioning.snapshot import read_accounts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contract.any_site import MoodleSite

    from moodle_coupling.provisioning.snapshot import Snapshot

pytestmark = pytest.mark.any_moodle


@pytest.fixture
def hook(moodle_site: MoodleSite) -> Iterator[MoodleHook]:
    connection = SimpleNamespace(
        conn_id="any", host=moodle_site.url, schema="", port=None, login="", password=moodle_site.token,
        extra_dejson={"allow_http": True},
    )  # fmt: skip
    with MoodleHook.from_settings(from_connection(connection)) as opened:
        yield opened


def read(hook: MoodleHook, strategy: str) -> Snapshot:
    return read_accounts(hook, candidates(), full=True, settings=SnapshotSettings(strategy=strategy))


def test_every_way_of_reading_sees_the_same_accounts(hook: MoodleHook) -> None:
    by_number, by_address, chosen = (read(hook, strategy) for strategy in ("fields", "listing", "auto"))
    # Whoever comes while this runs is in the later ones only.
    last = int(by_number.accounts["id"].max())
    ids = [set(read.accounts["id"]) & set(range(last + 1)) for read in (by_number, by_address, chosen)]
    assert ids[0] == ids[1]
    assert ids[2] <= ids[0]
    assert chosen.total is not None
    assert chosen.total >= by_number.total if chosen.strategy == "report" else ids[2] == ids[0]
    everyone = by_number.accounts
    numbered = set(everyone.loc[everyone["idnumber"] != "", "id"])
    assert numbered <= ids[2]


def test_special_accounts_are_seen_and_the_deleted_are_not(hook: MoodleHook) -> None:
    accounts = read(hook, "fields").accounts
    assert {"guest", hook.site_info().username} <= set(accounts["username"])
    assert accounts["id"].is_unique
    assert not accounts["username"].str.fullmatch(r".+@.+\.\d{9,}").any()


def test_reports_are_listed_where_the_service_may_and_refused_by_name_where_not(hook: MoodleHook) -> None:
    if not {LIST_REPORTS, RETRIEVE_REPORT} <= hook.site_info().functions:
        with pytest.raises(MoodleFunctionMissing, match="core_reportbuilder"):
            hook.list_reports()
        return
    for report in hook.list_reports():
        page = hook.report_page(report.id, 0, 10)
        assert len(page.rows) <= min(page.total, 10)
        assert all(len(row) == len(page.headers) for row in page.rows)
