"""Verdicts on persons whose idnumber no account has exactly: new, or a question that a human must answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from moodle_coupling.contract.verdicts import Verdict
from moodle_coupling.matching.compare import is_blank, loose
from moodle_coupling.matching.evidence import accounts_listed, keys_listed, persons_listed, sentence
from moodle_coupling.matching.questions import EMAIL, NEAR, USERNAME

if TYPE_CHECKING:
    from moodle_coupling.matching.view import View

KEYS = (NEAR, EMAIL, USERNAME)


@dataclass(frozen=True)
class _Crowd:
    """Who else is at an account: persons that point at it too, and persons whose exact idnumber it has."""

    pointing: dict[Any, list[int]]
    owners: dict[str, list[str]]

    def rivals(self, view: View, p: int, accounts: list[int]) -> list[str]:
        found = sorted({other for a in accounts for other in self.pointing.get(a, ()) if other != p})
        return [view.person_names[other] for other in found]


def judge_asked(view: View, points: pd.DataFrame, who: pd.Index[int]) -> pd.DataFrame:
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
    return pd.concat(
        [
            _judge_new(view, who.difference(count.index)),
            _judge_single(view, points, single, crowd),
            _judge_ambiguous(view, points, count.index[count > 1], crowd),
        ]
    )


def _frame(who: pd.Index[int], verdict: Verdict, evidence: list[str] | pd.Series[str]) -> pd.DataFrame:
    frame = pd.DataFrame({"a": pd.Series(pd.NA, index=who, dtype="Int64"), "verdict": verdict.value}, index=who)
    frame["evidence"] = pd.Series(evidence, index=who, dtype="str")
    frame["others"] = pd.Series([[] for _ in who], index=who, dtype="object")
    return frame.assign(proposal="", may_link=False)


def _judge_new(view: View, who: pd.Index[int]) -> pd.DataFrame:
    idnumbers = view.persons["idnumber"].loc[who]
    return _frame(who, Verdict.NEW, "No account has idnumber '" + idnumbers + "', and no question stands.")


def _judge_ambiguous(view: View, points: pd.DataFrame, who: pd.Index[int], crowd: _Crowd) -> pd.DataFrame:
    found: dict[int, dict[str, list[int]]] = {int(p): {} for p in who}
    some = points[points["p"].isin(who)]
    for p, a, key in zip(some["p"], some["a"], some["key"], strict=True):
        found[p].setdefault(key, []).append(int(a))
    evidence = [_ambiguous_sentence(view, p, by_key, crowd) for p, by_key in found.items()]
    frame = _frame(pd.Index(list(found), dtype="int64"), Verdict.AMBIGUOUS, evidence)
    frame["others"] = [sorted({a for accounts in by_key.values() for a in accounts}) for by_key in found.values()]
    frame.loc[[view.all_protected(others) for others in frame["others"]], "verdict"] = Verdict.PROTECTED.value
    return frame


def _ambiguous_sentence(view: View, p: int, by_key: dict[str, list[int]], crowd: _Crowd) -> str:
    person = view.persons.loc[p]
    parts = []
    for key in (key for key in KEYS if key in by_key):
        names = [_with_idnumber(view, a, crowd) for a in by_key[key]]
        word = keys_listed([key], {name: str(person[name]) for name in KEYS})
        parts.append(
            f"{word}{' but for letter case or spaces' if key == NEAR else ''} points at {accounts_listed(names)}"
        )
    rivals = crowd.rivals(view, p, sorted({a for accounts in by_key.values() for a in accounts}))
    tail = (
        f"; {persons_listed(rivals)} also {'points' if len(rivals) == 1 else 'point'} at one of them" if rivals else ""
    )
    pointed = {a for accounts in by_key.values() for a in accounts}
    tail += "; all of them are protected and never written" if view.all_protected(pointed) else ""
    return sentence(f"no account has idnumber '{person['idnumber']}'; {', while '.join(parts)}{tail}")


def _with_idnumber(view: View, a: int, crowd: _Crowd) -> str:
    idnumber = view.accounts["idnumber"][a]
    if not idnumber.strip():
        return f"{view.account_names[a]} without idnumber"
    owners = crowd.owners.get(idnumber)
    return f"{view.account_names[a]} with idnumber '{idnumber}'" + (f" of {persons_listed(owners)}" if owners else "")


def _judge_single(view: View, points: pd.DataFrame, single: pd.Series[int], crowd: _Crowd) -> pd.DataFrame:
    frame = _single_facts(view, points, single)
    frame["rivals"] = [crowd.rivals(view, p, [a]) for p, a in zip(frame.index, frame["at"], strict=True)]
    frame["owners"] = [crowd.owners.get(idnumber, []) for idnumber in frame["theirs"]]
    frame["verdict"] = _single_verdicts(frame)
    frame["evidence"] = pd.Series([_single_sentence(fact) for fact in _records(frame)], index=frame.index, dtype="str")
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
    frame["name"] = view.account_names.loc[at].set_axis(who)
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


def _single_sentence(fact: dict[str, Any]) -> str:
    keys = [key for key in (EMAIL, USERNAME) if fact[key]]
    pointing = keys_listed(keys, {key: str(fact[f"my_{key}"]) for key in keys})
    point = "points" if len(keys) == 1 else "point"
    head = f"no account has idnumber '{fact['mine']}'"
    if fact[NEAR]:
        head += f", but {fact['name']} has '{fact['theirs']}', the same but for letter case or surrounding spaces"
        head += f"; {pointing} {point} at it too" if keys else ""
    else:
        head += f"; {pointing} {point} at {fact['name']}, {_their_id(fact)}"
    return sentence(head + _company(fact))


def _their_id(fact: dict[str, Any]) -> str:
    if not str(fact["theirs"]).strip():
        return "which has no idnumber" + (" and is suspended" if fact["suspended"] else "")
    if fact["verdict"] == Verdict.ID_OTHER_SCHEME:
        return f"which has idnumber '{fact['theirs']}': this person's other id"
    whose = "" if fact["owners"] else ", not known in the source"
    return f"which has idnumber '{fact['theirs']}'{whose}"


def _company(fact: dict[str, Any]) -> str:
    owners, rivals = fact["owners"], fact["rivals"]
    text = ""
    if isinstance(owners, list) and owners:
        text += f"; that is the idnumber of {persons_listed(owners)}"
    if isinstance(rivals, list) and rivals:
        text += f"; {persons_listed(rivals)} {'points' if len(rivals) == 1 else 'point'} at it too"
    if fact["protected"]:
        text += f"; it is protected ({fact['protected']}) and never written"
    return text
