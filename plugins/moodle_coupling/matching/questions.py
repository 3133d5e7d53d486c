"""Persons whose idnumber no account has exactly: at which accounts they point, by which key, and what that makes them.

Whoever points at none is new; everyone else is a question that a human must answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from moodle_coupling.contract.recipes import RECIPES
from moodle_coupling.contract.verdicts import Verdict
from moodle_coupling.matching.compare import folded, is_blank, loose
from moodle_coupling.matching.evidence import account_named, clauses, first_of, persons_listed
from moodle_coupling.words.sentence import Sentence

if TYPE_CHECKING:
    from moodle_coupling.mapping import Mapping
    from moodle_coupling.matching.view import View

NEAR: Final = "idnumber"
EMAIL: Final = "email"
USERNAME: Final = "username"
KEYS: Final = (NEAR, EMAIL, USERNAME)


def find_points(persons: pd.DataFrame, accounts: pd.DataFrame, mapping: Mapping) -> pd.DataFrame:
    """Give one row per person, key and account pointed at.

    ``p`` and ``a`` are the frames' index labels, ``key`` is one of NEAR, EMAIL, USERNAME.

    ``persons`` are those of whom no account has the exact idnumber.
    """
    near = pairs(folded(persons["idnumber"]), folded(accounts["idnumber"]))
    emails = _email_points(persons, accounts, shared=mapping.matching.shared_email)
    usernames = _username_points(persons, accounts, identifying=RECIPES[mapping.username.recipe].identifies)
    return pd.concat(
        [near.assign(key=NEAR), emails.assign(key=EMAIL), usernames.assign(key=USERNAME)], ignore_index=True
    ).sort_values(["p", "a", "key"], ignore_index=True)


def pairs(left: pd.Series[str], right: pd.Series[str]) -> pd.DataFrame:
    """Give the index labels ``p`` of left and ``a`` of right whose texts are equal and not empty."""
    persons = pd.DataFrame({"text": left.to_numpy(), "p": left.index}).loc[lambda frame: frame["text"] != ""]
    accounts = pd.DataFrame({"text": right.to_numpy(), "a": right.index})
    return persons.merge(accounts, on="text")[["p", "a"]]


def _email_points(persons: pd.DataFrame, accounts: pd.DataFrame, *, shared: bool) -> pd.DataFrame:
    if not shared:
        return pairs(folded(persons["email"]), folded(accounts["email"]))
    # Address and name in one key: an address of a whole department would otherwise pair everyone with everyone.
    ours, theirs = _address_and_name(persons), _address_and_name(accounts)
    return pairs(ours, theirs)


def _address_and_name(people: pd.DataFrame) -> pd.Series[str]:
    emails = folded(people["email"])
    if not {"firstname", "lastname"} <= set(people.columns):
        return emails.where(emails == "", "")
    names = loose(people["firstname"] + people["lastname"])
    keys = emails + "\n" + names
    return keys.where((emails != "") & (names != ""), "")


def _username_points(persons: pd.DataFrame, accounts: pd.DataFrame, *, identifying: bool) -> pd.DataFrame:
    # A name makes a question only while the account has no idnumber; otherwise the two are namesakes.
    asked = accounts if identifying else accounts[is_blank(accounts["idnumber"])]
    return pairs(folded(persons["username"]), folded(asked["username"]))


@dataclass(frozen=True)
class _Crowd:
    """Who else is at an account: persons that point at it too, and persons whose exact idnumber it has."""

    pointing: dict[Any, list[int]]
    owners: dict[str, list[str | Sentence]]

    def rivals(self, view: View, p: int, accounts: list[int]) -> list[str | Sentence]:
        """Name who points at one of the accounts besides ``p``."""
        others = {other for a in accounts for other in self.pointing.get(a, ()) if other != p}
        return [view.person(other) for other in sorted(others)]


def judge_questions(view: View, points: pd.DataFrame, who: pd.Index[int]) -> pd.DataFrame:
    """Judge the persons ``who`` by what they point at; ``points`` may hold other persons' too, who are then named.

    Gives, by person's index label: ``a`` (Int64), ``verdict``, ``evidence``, ``others`` (lists of account labels),
    ``proposal``, ``may_link``.
    """
    distinct = points.drop_duplicates(["p", "a"])
    shared = distinct[distinct["a"].duplicated(keep=False)]
    crowd = _Crowd(
        pointing=shared.groupby("a")["p"].agg(list).to_dict(),
        owners=view.owners(view.accounts["idnumber"].loc[distinct["a"].unique()]),
    )
    mine = distinct[distinct["p"].isin(who)]
    count = mine.groupby("p").size()
    single = mine[mine["p"].isin(count.index[count == 1])].set_index("p")["a"]
    judged = pd.concat(
        [
            _frame(who.difference(count.index), Verdict.NEW),
            _judge_single(view, points, single, crowd),
            _judge_ambiguous(view, points, count.index[count > 1], crowd),
        ]
    )
    return _with_unreadable(judged, _unreadable(view))


def _frame(who: pd.Index[int], verdict: Verdict) -> pd.DataFrame:
    frame = pd.DataFrame({"a": pd.Series(pd.NA, index=who, dtype="Int64"), "verdict": verdict.value}, index=who)
    frame["others"] = pd.Series([[] for _ in who], index=who, dtype="object")
    return frame.assign(evidence="", proposal="", may_link=False)


def _judge_ambiguous(view: View, points: pd.DataFrame, who: pd.Index[int], crowd: _Crowd) -> pd.DataFrame:
    found: dict[int, dict[str, list[int]]] = {int(p): {} for p in who}
    some = points[points["p"].isin(who)]
    for p, a, key in zip(some["p"], some["a"], some["key"], strict=True):
        found[p].setdefault(key, []).append(int(a))
    frame = _frame(pd.Index(list(found), dtype="int64"), Verdict.AMBIGUOUS)
    evidence = [_ambiguous_sentence(view, p, by_key, crowd).written() for p, by_key in found.items()]
    frame["evidence"] = pd.Series(evidence, index=frame.index, dtype="str")
    frame["others"] = [sorted({a for accounts in by_key.values() for a in accounts}) for by_key in found.values()]
    frame.loc[[view.all_protected(others) for others in frame["others"]], "verdict"] = Verdict.PROTECTED.value
    return frame


def _ambiguous_sentence(view: View, p: int, by_key: dict[str, list[int]], crowd: _Crowd) -> Sentence:
    person = view.persons.loc[p]
    pointing = [
        Sentence(
            "clause.key_at",
            key=_key(key, str(person[key])),
            accounts=first_of([_with_idnumber(view, a, crowd) for a in by_key[key]]),
        )
        for key in KEYS
        if key in by_key
    ]
    parts = [Sentence("clause.nobody", idnumber=person["idnumber"]), Sentence("clause.several", parts=pointing)]
    pointed = sorted({a for accounts in by_key.values() for a in accounts})
    rivals = crowd.rivals(view, p, pointed)
    if rivals:
        parts.append(Sentence("clause.rivals_of_one", n=len(rivals), persons=persons_listed(rivals)))
    if view.all_protected(pointed):
        parts.append(Sentence("clause.all_protected"))
    return clauses(parts)


def _key(key: str, value: str) -> Sentence:
    """Name a key with its value."""
    codes = {NEAR: "name.key_near", EMAIL: "name.key_email", USERNAME: "name.key_username"}
    return Sentence(codes[key], value=value)


def _with_idnumber(view: View, a: int, crowd: _Crowd) -> Sentence:
    account, idnumber = view.account(a), view.accounts["idnumber"][a]
    if not idnumber.strip():
        return Sentence("name.account_without", account=account)
    owners = crowd.owners.get(idnumber)
    if not owners:
        return Sentence("name.account_with", account=account, idnumber=idnumber)
    return Sentence("name.account_with_of", account=account, idnumber=idnumber, persons=persons_listed(owners))


def _judge_single(view: View, points: pd.DataFrame, single: pd.Series[int], crowd: _Crowd) -> pd.DataFrame:
    frame = _single_facts(view, points, single)
    rivals = [crowd.rivals(view, p, [a]) for p, a in zip(frame.index, frame["at"], strict=True)]
    frame["rivals"] = pd.Series(rivals, index=frame.index, dtype="object")
    owners = [crowd.owners.get(idnumber, []) for idnumber in frame["theirs"]]
    frame["owners"] = pd.Series(owners, index=frame.index, dtype="object")
    frame["verdict"] = _single_verdicts(frame)
    evidence = [_single_sentence(view, fact).written() for fact in _records(frame)]
    frame["evidence"] = pd.Series(evidence, index=frame.index, dtype="str")
    alone = frame["rivals"].map(len) == 0
    unowned = frame["owners"].map(len) == 0
    frame["proposal"] = ""
    rekey = frame["verdict"].isin([Verdict.ID_CASE, Verdict.ID_OTHER_SCHEME]) & alone & unowned
    frame.loc[rekey, "proposal"] = "re-key"
    missing = frame["verdict"] == Verdict.ID_MISSING
    frame.loc[missing & alone & frame[EMAIL] & frame["same_surname"], "proposal"] = "link"
    allowed = pd.Series(data=False, index=frame.index)
    for key in view.mapping.matching.link_on:
        allowed |= frame[key]
    # Someone suspended that account on purpose: linking it would answer a question that nobody asked us.
    frame["may_link"] = missing & alone & allowed & ~frame["suspended"]
    frame["others"] = [[a] for a in frame["at"]]
    frame["a"] = frame["at"].astype("Int64")
    return frame[["a", "verdict", "evidence", "others", "proposal", "may_link"]]


def _single_facts(view: View, points: pd.DataFrame, single: pd.Series[int]) -> pd.DataFrame:
    who, at = single.index, pd.Index(single)
    persons, accounts = view.persons.loc[who], view.accounts.loc[at].set_axis(who)
    frame = pd.DataFrame({"at": single, "mine": persons["idnumber"], "other_id": persons["other_id"]}, index=who)
    for key in KEYS:
        frame[key] = who.isin(points.loc[points["key"] == key, "p"])
        frame[f"my_{key}"] = persons[key]
    frame["theirs"] = accounts["idnumber"]
    frame["suspended"] = accounts["suspended"]
    frame["protected"] = view.protected.loc[at].set_axis(who)
    surname = loose(accounts["lastname"]) if "lastname" in accounts else pd.Series("", index=who, dtype="str")
    frame["same_surname"] = (surname != "") & (loose(persons["lastname"]) == surname)
    return frame


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in fact.items()} for fact in frame.to_dict("records")]


def _single_verdicts(frame: pd.DataFrame) -> pd.Series[str]:
    verdicts = pd.Series(Verdict.ID_DIFFERS.value, index=frame.index, dtype="object")
    verdicts[(frame["theirs"] == frame["other_id"]) & (frame["other_id"] != "")] = Verdict.ID_OTHER_SCHEME.value
    verdicts[is_blank(frame["theirs"])] = Verdict.ID_MISSING.value
    verdicts[frame[NEAR]] = Verdict.ID_CASE.value
    verdicts[frame["protected"] != ""] = Verdict.PROTECTED.value
    return verdicts


def _single_sentence(view: View, fact: dict[str, Any]) -> Sentence:
    keys = [_key(key, str(fact[f"my_{key}"])) for key in (EMAIL, USERNAME) if fact[key]]
    account, theirs = view.account(fact["at"]), fact["theirs"]
    if fact[NEAR]:
        parts = [Sentence("clause.near", idnumber=fact["mine"], account=account, theirs=theirs)]
        parts += [Sentence("clause.keys_too", n=len(keys), keys=keys)] if keys else []
    else:
        pointing = Sentence(_their_id(fact), n=len(keys), keys=keys, account=account, theirs=theirs)
        parts = [Sentence("clause.nobody", idnumber=fact["mine"]), pointing]
    owners, rivals, why = fact["owners"], fact["rivals"], view.why_protected(fact["at"])
    if owners:
        parts.append(Sentence("clause.owners", persons=persons_listed(owners)))
    if rivals:
        parts.append(Sentence("clause.rivals", n=len(rivals), persons=persons_listed(rivals)))
    if why:
        parts.append(Sentence("clause.protected", why=why))
    return clauses(parts)


def _their_id(fact: dict[str, Any]) -> str:
    """Give the code that says at what kind of account a person points."""
    if not str(fact["theirs"]).strip():
        return "clause.at_none_suspended" if fact["suspended"] else "clause.at_none"
    if fact["verdict"] == Verdict.ID_OTHER_SCHEME:
        return "clause.at_other_id"
    return "clause.at_owned" if fact["owners"] else "clause.at_unknown"


def _unreadable(view: View) -> pd.Series[str]:
    """Give, by person's label, a written sentence on the account that is there and that Moodle cannot show.

    Its key is an idnumber or an address: the recipe makes no username that Moodle cannot show. Where addresses may be shared,
    one says nothing about whose the account is.
    """
    shared, persons = view.mapping.matching.shared_email, view.persons
    found: dict[int, str] = {}
    # An idnumber says more: it comes last, and wins.
    for key in (NEAR,) if shared else (EMAIL, NEAR):
        asked = {value.strip().casefold() for name, value in view.unreadable if name == key}
        texts = folded(persons[key]) if asked else persons[key].iloc[:0]
        for p in texts.index[texts.isin(asked - {""})]:
            found[p] = _hidden(view.links, key, str(persons[key][p]), str(persons["idnumber"][p])).written()
    return pd.Series(found, index=pd.Index(list(found), dtype=persons.index.dtype), dtype="str")


def _hidden(links: pd.DataFrame | None, key: str, value: str, idnumber: str) -> Sentence:
    known = [] if links is None else list(links.loc[links["idnumber"] == idnumber, "account_id"])
    account = account_named(int(known[0])) if known else Sentence("name.an_account")
    code = "evidence.unreadable_idnumber" if key == NEAR else "evidence.unreadable_email"
    return Sentence(code, account=account, value=value)


def _with_unreadable(judged: pd.DataFrame, unreadable: pd.Series[str]) -> pd.DataFrame:
    """Say of whom the account cannot be read, whatever else was found of a person without one: nothing is written."""
    some = judged.index.intersection(unreadable.index)
    if some.empty:
        return judged
    judged = judged.copy()
    judged.loc[some, "verdict"] = Verdict.UNREADABLE.value
    judged.loc[some, "evidence"] = unreadable[some]
    judged.loc[some, "a"] = pd.NA
    judged.loc[some, "proposal"] = ""
    judged.loc[some, "may_link"] = False
    judged["others"] = [[] if at in some else others for at, others in judged["others"].items()]
    return judged
