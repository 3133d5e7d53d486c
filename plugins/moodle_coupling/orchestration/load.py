"""Loading one part of a run's plan with the ledger at hand, and remembering what it made so."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import pandas as pd

from moodle_coupling.contract.frames import FINGERPRINTS
from moodle_coupling.ledger.accounts import fingerprints, record_links
from moodle_coupling.ledger.outcomes import refused_before
from moodle_coupling.matching.frames import Action
from moodle_coupling.matching.unchanged import links_to_forget, which_to_remember
from moodle_coupling.orchestration import staging
from moodle_coupling.orchestration.decisions import carried_out
from moodle_coupling.orchestration.journal import load_with_ledger
from moodle_coupling.provisioning.load.book import StopRule
from moodle_coupling.provisioning.load.outcomes import NOT_WHOLE

if TYPE_CHECKING:
    from moodle_coupling.ledger.leases import Lease
    from moodle_coupling.orchestration.run import Run
    from moodle_coupling.provisioning.load.loader import LoadResult

_OURS: Final = (Action.CREATE, Action.UPDATE, Action.LINK, Action.REACTIVATE, Action.SUSPEND)
_LATELY: Final = dt.timedelta(days=8)
"""Where an environment is run once a week, the last run is in it."""
BY_US: Final = "coupling"


def load_part(run: Run, part: pd.DataFrame, digest: str, lease: Lease) -> LoadResult:
    """Load a part of the plan that ``digest`` names, and write down which accounts are linked by now, and as what.

    A crash between the two costs nothing: the next run finds the accounts linked and writes them down.
    """
    limits = run.mapping.limits
    result = load_with_ledger(
        part,
        run.hook(),
        run.ledger,
        run.record.id,
        digest=digest,
        lease=lease,
        stop=StopRule(limits.stop_share, limits.stop_minimum, _refused_before(run, part)),
    )
    _remember(run, part, result.outcomes)
    carried_out(run, part, result.outcomes)
    return result


def _refused_before(run: Run, part: pd.DataFrame) -> frozenset[int]:
    """Give the positions of whom Moodle refused in another run of the last days."""
    known = refused_before(run.ledger, run.record.id, run.mapping.environment, within=_LATELY)
    return frozenset(at for at, idnumber in enumerate(part["idnumber"]) if idnumber in known)


def _remember(run: Run, part: pd.DataFrame, outcomes: pd.DataFrame) -> None:
    environment = run.mapping.environment
    prints = staging.read_frame(run.folder, FINGERPRINTS.name).set_index("row")["fingerprint"]
    for links in new_links(part, outcomes, prints):
        if len(links):
            record_links(run.ledger, environment, links)
    stale = links_to_forget(part, outcomes, fingerprints(run.ledger, environment))
    if len(stale):
        record_links(run.ledger, environment, stale)


def new_links(part: pd.DataFrame, outcomes: pd.DataFrame, prints: pd.Series[str]) -> list[pd.DataFrame]:
    """Give frames for ``record_links``: who is as the source has it (with fingerprint), whom else we wrote, whom we suspended.

    ``outcomes`` has one row for each of ``part``, in the same order; ``prints`` the fingerprint by row in the source.
    """
    remembered = which_to_remember(part, outcomes)
    done = (outcomes["status"] == "done").set_axis(part.index)
    account = outcomes["account_id"].set_axis(part.index)
    links = pd.DataFrame(
        {
            "idnumber": part["idnumber"],
            "account_id": account.fillna(part["account_id"]),
            "person_id": part["person_id"],
            "username": part["username"],
            "fingerprint": part["row"].map(prints).fillna("").where(remembered, ""),
            "created_by_us": (part["action"] == Action.CREATE.value)
            & outcomes["code"].set_axis(part.index).isin(("", *NOT_WHOLE)),
        }
    )
    ours = links["account_id"].notna() & (links["idnumber"] != "")
    wrote = done & part["action"].isin([action.value for action in _OURS])
    # A frame's columns hold for all its rows: what a link has of 'suspended_by' stays unless this run changed it.
    suspended = wrote & (part["action"] == Action.SUSPEND.value)
    reactivated = wrote & (part["action"] == Action.REACTIVATE.value)
    rest = (remembered | wrote) & ~suspended & ~reactivated
    return [
        _one_each(links[ours & rest]),
        _one_each(links[ours & suspended]).assign(suspended_by=BY_US),
        _one_each(links[ours & reactivated]).assign(suspended_by=""),
    ]


def _one_each(links: pd.DataFrame) -> pd.DataFrame:
    return links.drop_duplicates("idnumber").drop_duplicates("account_id")
