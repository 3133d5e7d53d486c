"""What matching looks at: persons and accounts in a fixed order, with what is known of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pandas as pd

from moodle_coupling.matching.accounts import ALWAYS_PROTECTED, REQUIRED
from moodle_coupling.matching.compare import folded, is_blank
from moodle_coupling.matching.evidence import account_labels, labels
from moodle_coupling.matching.unreadable import find_unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Mapping as Mapping_

    from moodle_coupling.mapping import Mapping, Write

LINK_COLUMNS: Final = ("account_id", "idnumber", "suspended_by_us")
"""Columns that links must have; of ``person_id`` it may be unknown whose it is."""


@dataclass(frozen=True)
class View:
    """Frames side by side; every series has the index of the frame that it says something about.

    ``everyone`` are all candidates by row, then the bystanders; ``persons`` those candidates in scope, on a running
    index; ``accounts`` by id, on a running index. ``rejected``, ``email_barred`` are per person, ``protected`` (why, ''
    if not), ``linked_by_us``, ``suspended_by_us``, ``known_person`` (the PersonId under which the ledger knows it, '' for none)
    per account. ``unreadable``: of persons who have an account that Moodle cannot show, by which key it was found and which it is.
    """

    mapping: Mapping
    everyone: pd.DataFrame
    persons: pd.DataFrame
    accounts: pd.DataFrame
    rejected: pd.Series[bool]
    email_barred: pd.Series[bool]
    protected: pd.Series[str]
    linked_by_us: pd.Series[bool]
    suspended_by_us: pd.Series[bool]
    known_person: pd.Series[str]
    person_names: pd.Series[str]
    account_names: pd.Series[str]
    unreadable: pd.Series[str] = field(default_factory=lambda: pd.Series(dtype="str"))

    def owners(self, idnumbers: Iterable[str]) -> dict[str, list[str]]:
        """Give, for those idnumbers that a person has (in scope or not), what those persons are called."""
        some = self.everyone[self.everyone["idnumber"].isin(set(idnumbers) - {""})]
        names = labels(some)
        names = names.where(some["in_scope"], names + " (not in scope)")
        return {str(idnumber): list(group) for idnumber, group in names.groupby(some["idnumber"])}

    def all_protected(self, accounts: Iterable[int]) -> bool:
        """Tell whether every one of these accounts (index labels) is protected."""
        return all(self.protected[a] != "" for a in accounts)

    def email_policy(self) -> Write:
        """Say when the e-mail address of an existing account is written."""
        return self.mapping.write_policy("email")


def make_view(  # noqa: PLR0913  # each is a frame or a fact of its own
    candidates: pd.DataFrame,
    accounts: pd.DataFrame,
    mapping: Mapping,
    *,
    reasons: pd.DataFrame | None = None,
    links: pd.DataFrame | None = None,
    service_userid: int | None = None,
    bystanders: pd.DataFrame | None = None,
    protections: Mapping_[int, str] | None = None,
    unreadable: Iterable[tuple[str, str]] = (),
) -> View:
    """Lay candidates and accounts side by side; raises KeyError when the accounts lack a column of REQUIRED.

    ``unreadable``: (field, value) of accounts that are there and that Moodle cannot show.
    """
    everyone = candidates.sort_values("row", ignore_index=True)
    persons = everyone[everyone["in_scope"]].reset_index(drop=True)
    known = _accounts(accounts)
    stopped, barred = _stopped(persons, reasons)
    ours = _links_of(known, links)
    return View(
        mapping=mapping,
        everyone=everyone if bystanders is None else pd.concat([everyone, bystanders], ignore_index=True),
        persons=persons,
        accounts=known,
        rejected=stopped | is_blank(persons["idnumber"]),
        email_barred=barred,
        protected=_protected(known, mapping, service_userid, protections or {}),
        linked_by_us=ours["linked"],
        suspended_by_us=ours["suspended"],
        known_person=ours["person_id"],
        person_names=labels(persons),
        account_names=account_labels(known),
        unreadable=find_unreadable(persons, unreadable, links, shared_email=mapping.matching.shared_email),
    )


def _accounts(accounts: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in REQUIRED if name not in accounts.columns]
    if missing:
        raise KeyError(f"accounts frame without {', '.join(missing)}")
    known = accounts.sort_values("id", ignore_index=True)
    return known if "suspended" in known.columns else known.assign(suspended=False)


def _stopped(persons: pd.DataFrame, reasons: pd.DataFrame | None) -> tuple[pd.Series[bool], pd.Series[bool]]:
    if reasons is None or reasons.empty:
        nobody = pd.Series(data=False, index=persons.index)
        return nobody, nobody
    rejected = reasons.loc[reasons["blocks"] == "all", "row"]
    emails = reasons.loc[(reasons["blocks"] == "create") & (reasons["field"] == "email"), "row"]
    return persons["row"].isin(rejected), persons["row"].isin(emails)


def _protected(
    accounts: pd.DataFrame, mapping: Mapping, service_userid: int | None, marked: Mapping_[int, str]
) -> pd.Series[str]:
    """Why an account is never written; by name and not by id, since the admin is not number 2 everywhere."""
    said = {id_: f"do not touch, by {by}" for id_, by in marked.items()}
    why = pd.Series([said.get(int(id_), "") for id_ in accounts["id"]], index=accounts.index, dtype="str")
    usernames = folded(accounts["username"])
    why[accounts["idnumber"].isin(mapping.matching.protected_idnumbers) & ~is_blank(accounts["idnumber"])] = (
        "do not touch"
    )
    why[usernames.isin({name.strip().casefold() for name in mapping.matching.protected_usernames})] = "do not touch"
    if service_userid is not None:
        why[accounts["id"] == service_userid] = "the service account"
    for name in ALWAYS_PROTECTED:
        why[usernames == name] = f"Moodle's {name} account"
    return why


def _links_of(accounts: pd.DataFrame, links: pd.DataFrame | None) -> pd.DataFrame:
    if links is None:
        links = pd.DataFrame(
            {
                "account_id": pd.Series(dtype="int64"),
                "idnumber": pd.Series(dtype="str"),
                "suspended_by_us": pd.Series(dtype="bool"),
            }
        )
    links = links if "person_id" in links.columns else links.assign(person_id="")
    one_each = links[[*LINK_COLUMNS, "person_id"]].drop_duplicates("account_id", keep="last").set_index("account_id")
    found = one_each.reindex(accounts["id"]).set_axis(accounts.index)
    # A link holds for the idnumber it was made on: an account that was re-keyed by hand is not ours to suspend.
    linked = (found["idnumber"] == accounts["idnumber"]).fillna(value=False).astype("bool")
    suspended = found["suspended_by_us"].map(lambda value: value is True or value == 1).astype("bool")
    person = found["person_id"].where(linked, "").fillna("").astype("str")
    return pd.DataFrame({"linked": linked, "suspended": suspended, "person_id": person})
