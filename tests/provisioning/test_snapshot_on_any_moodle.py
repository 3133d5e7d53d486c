"""Reading everyone on any Moodle, the sandbox or the real site that MOODLE_URL and MOODLE_TOKEN name; nothing is written."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from provisioning.snapshot.site import candidates

from moodle_coupling.errors import MoodleFunctionMissing
from moodle_coupling.hooks.moodle.connection import from_connection
from moodle_coupling.hooks.moodle.hook import MoodleHook
from moodle_coupling.hooks.moodle.records import LIST_REPORTS, RETRIEVE_REPORT
from moodle_coupling.mapping.parts import SnapshotSettings
from moodle_coupling.provisioning.snapshot.accounts import read_accounts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from contract.any_site import MoodleSite

    from moodle_coupling.provisioning.snapshot.accounts import Snapshot

pytestmark = pytest.mark.any_moodle


_SAMPLE, _LARGE = 500, 5_000


def hook_for(site: MoodleSite) -> MoodleHook:
    connection = SimpleNamespace(
        conn_id="any", host=site.url, schema="", port=None, login="", password=site.token,
        extra_dejson={"allow_http": True},
    )  # fmt: skip
    return MoodleHook.from_settings(from_connection(connection))


@pytest.fixture
def hook(moodle_site: MoodleSite) -> Iterator[MoodleHook]:
    with hook_for(moodle_site) as opened:
        yield opened


def read(hook: MoodleHook, strategy: str) -> Snapshot:
    return read_accounts(hook, candidates(), full=True, settings=SnapshotSettings(strategy=strategy))


def everyone(snapshot: Snapshot) -> dict[int, str]:
    return dict(zip(snapshot.accounts["id"], snapshot.accounts["idnumber"], strict=True))


def still_there(hook: MoodleHook, ids: Iterable[int]) -> set[int]:
    """Give whoever of these has not gone since, or come; others may be writing on this site."""
    return {account.id for account in hook.accounts_by_field("id", sorted(ids)).accounts}


@pytest.fixture(scope="module")
def newest(moodle_site: MoodleSite) -> int:
    """Give the highest account id as yet: someone with an ID number, whom every way of reading must see."""
    return moodle_site.created_ids(moodle_site.person())[0]


@pytest.fixture(scope="module")
def chosen(moodle_site: MoodleSite, newest: int) -> Snapshot:
    """Give everyone, read the way a run would choose; on a site of tens of thousands this takes a minute or two."""
    with hook_for(moodle_site) as opened:
        return read(opened, "auto")


def test_the_chosen_way_sees_the_accounts_that_are_there(hook: MoodleHook, newest: int, chosen: Snapshot) -> None:
    seen = everyone(chosen)
    latest = range(max(1, newest - _SAMPLE), newest + 1)
    there = {account.id: account for account in hook.accounts_by_field("id", latest).accounts}
    numbered = {id_ for id_, account in there.items() if account.idnumber}
    must_be_seen = numbered if chosen.strategy == "report" else set(there)

    assert newest in must_be_seen
    assert still_there(hook, must_be_seen - seen.keys()) == set()
    assert still_there(hook, {id_ for id_ in seen if id_ in latest} - there.keys()) == set()


@pytest.mark.parametrize("strategy", ["fields", "listing"])
def test_every_way_of_reading_sees_the_same_accounts(
    hook: MoodleHook, newest: int, chosen: Snapshot, strategy: str
) -> None:
    if newest > _LARGE:
        pytest.skip(
            f"reading {newest:,} accounts by {strategy} takes minutes; the chosen way is compared with look-ups"
        )
    seen, known = read(hook, strategy), everyone(chosen)
    others = {id_: idnumber for id_, idnumber in everyone(seen).items() if id_ <= newest}
    if chosen.strategy == "report":
        others = {id_: idnumber for id_, idnumber in others.items() if idnumber}

    assert newest in others
    assert still_there(hook, others.keys() - known.keys()) == set()
    assert still_there(hook, {id_ for id_ in known if id_ <= newest} - everyone(seen).keys()) == set()


def test_guest_and_the_service_user_can_be_looked_up(hook: MoodleHook) -> None:
    own = hook.site_info().username
    found = hook.accounts_by_field("username", ["guest", own]).accounts
    assert {account.username for account in found} == {"guest", own}


def test_the_deleted_are_not_seen(chosen: Snapshot) -> None:
    assert chosen.accounts["id"].is_unique
    assert not chosen.accounts["username"].str.fullmatch(r".+@.+\.\d{9,}").any()


def test_reports_are_listed_where_the_service_may_and_refused_by_name_where_not(hook: MoodleHook) -> None:
    if not {LIST_REPORTS, RETRIEVE_REPORT} <= hook.site_info().functions:
        with pytest.raises(MoodleFunctionMissing, match="core_reportbuilder"):
            hook.list_reports()
        return
    for report in hook.list_reports():
        page = hook.report_page(report.id, 0, 10)
        assert len(page.rows) <= min(page.total, 10)
        assert all(len(row) == len(page.headers) for row in page.rows)
