"""What matching looks at: persons and accounts in a fixed order, with what is known of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from moodle_coupling.matching.accounts import ALWAYS_PROTECTED, REQUIRED
from moodle_coupling.matching.compare import folded, is_blank
from moodle_coupling.matching.evidence import account_named, person_named, persons_in
from moodle_coupling.words.sentence import Sentence, read

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
    index; ``accounts`` by id, on a running index. ``rejected``, ``email_barred`` are per person, ``protected`` (why, as a
    written sentence, '' if not), ``linked_by_us``, ``suspended_by_us``, ``known_person`` (the PersonId under which the ledger knows it, '' for none)
    per account. ``links``: what the ledger knows, as it came. ``unreadable``: (field, value) of accounts that are there and that
    Moodle cannot show.
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
    links: pd.DataFrame | None = None
    unreadable: tuple[tuple[str, str], ...] = ()

    def owners(self, idnumbers: Iterable[str], *, outside: bool = True) -> dict[str, list[str | Sentence]]:
        """Give, for those idnumbers that a person has, what those persons are called; ``outside``: also those out of scope."""
        some = self.everyone[self.everyone["idnumber"].isin(set(idnumbers) - {""})]
        some = some if outside else some[some["in_scope"]]
        found: dict[str, list[str | Sentence]] = {}
        for idnumber, name, inside in zip(some["idnumber"], persons_in(some), some["in_scope"], strict=True):
            found.setdefault(str(idnumber), []).append(name if inside else Sentence("name.outside", name=name))
        return found

    def person(self, p: int) -> str | Sentence:
        """Name a person (index label)."""
        person_ids, extern_ids, rows = self._people
        return person_named(person_ids[p], extern_ids[p], int(rows[p]))

    def account(self, a: int) -> Sentence:
        """Name an account (index label)."""
        ids, usernames = self._accounts
        return account_named(int(ids[a]), usernames[a])

    def why_protected(self, a: int) -> Sentence | None:
        """Say why an account (index label) is never written; None if it may be."""
        return read(self.protected[a])

    @cached_property
    def _people(self) -> tuple[Any, Any, Any]:
        return tuple(self.persons[name].to_numpy() for name in ("person_id", "extern_id", "row"))  # type: ignore[return-value]

    @cached_property
    def _accounts(self) -> tuple[Any, Any]:
        return self.accounts["id"].to_numpy(), self.accounts["username"].to_numpy()

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
        links=links,
        unreadable=tuple(unreadable),
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
    """Say why an account is never written; by name and not by id, since the admin is not number 2 everywhere."""
    said = {id_: Sentence("protected.by", by=by).written() for id_, by in marked.items()}
    mapped = Sentence("protected.mapping").written()
    why = pd.Series([said.get(int(id_), "") for id_ in accounts["id"]], index=accounts.index, dtype="str")
    usernames = folded(accounts["username"])
    why[accounts["idnumber"].isin(mapping.matching.protected_idnumbers) & ~is_blank(accounts["idnumber"])] = mapped
    why[usernames.isin({name.strip().casefold() for name in mapping.matching.protected_usernames})] = mapped
    if service_userid is not None:
        why[accounts["id"] == service_userid] = Sentence("protected.service").written()
    for name in ALWAYS_PROTECTED:
        why[usernames == name] = Sentence("protected.builtin", name=name).written()
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
