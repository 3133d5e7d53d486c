"""What holds for a plan whatever the persons and the accounts are."""

from __future__ import annotations

import json
import os
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matching.people import (
    account,
    accounts_of,
    decided_frame,
    links_frame,
    mapping,
    person,
    persons_frame,
    reasons_frame,
)

from moodle_coupling.contract.verdicts import DecisionKind, offered
from moodle_coupling.matching.evidence import readable
from moodle_coupling.matching.frames import PLAN_COLUMNS, WRITING_ACTIONS, Action, Remembered
from moodle_coupling.matching.plan import make_plan
from moodle_coupling.words.sentence import ENGLISH

if TYPE_CHECKING:
    from moodle_coupling.mapping import Mapping

# Person number n and account number n agree by default, and a few of their values are taken from these short lists, so
# that persons and accounts meet, double and nearly meet all the time and some of every verdict come up.
LETTERS = "ABCDEFGHIJ"
IDS = st.sampled_from(["", "A", "a", " B", "C", "D", "P1", "10", " "])
EMAILS = st.sampled_from(["", "A@Example.org", "b@example.org", "c@example.org", "x@example.org"])
NAMES = st.sampled_from(["", "Jan", "jan", "Ján ", "Zoë", "Zoe\u0308"])
USERNAMES = st.sampled_from(["jan", "jan2", "Jan", "admin", "guest", "anna", ""])
CITIES = st.sampled_from(["", "Utrecht", " Utrecht", "Delft"])
PERSON = {
    "person_id": st.sampled_from(["P1", "P2", "4", "10", ""]),
    "idnumber": IDS.map(str.strip),
    "other_id": IDS,
    "username": USERNAMES.map(str.lower),
    "firstname": NAMES.map(str.strip),
    "lastname": NAMES.map(str.strip),
    "email": EMAILS,
    "in_scope": st.just(value=False),
    "inactive": st.booleans(),
    "city": CITIES.map(str.strip),
}
ACCOUNT = {
    "username": USERNAMES,
    "email": EMAILS,
    "idnumber": IDS,
    "firstname": NAMES,
    "lastname": NAMES,
    "suspended": st.booleans(),
    "city": CITIES,
}


def some_of(values: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """At most three of the values."""
    names = st.lists(st.sampled_from(sorted(values)), max_size=3, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: values[name] for name in chosen}))


def base(number: int) -> dict[str, Any]:
    letter = LETTERS[number]
    return {
        "idnumber": letter,
        "email": f"{letter.lower()}@example.org",
        "username": "jan",
        "firstname": "Jan",
        "city": "",
    }


def numbered(values: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[list[tuple[int, dict[str, Any]]]]:
    numbers = st.lists(st.integers(0, len(LETTERS) - 1), min_size=4, unique=True)
    return numbers.flatmap(
        lambda some: st.tuples(*(st.tuples(st.just(one), some_of(values)) for one in some)).map(list)
    )


PERSONS = numbered(PERSON).map(
    lambda some: sorted(
        (person(number + 1, **(base(number) | values)) for number, values in some), key=itemgetter("row")
    )
)
ACCOUNTS = numbered(ACCOUNT).map(
    lambda some: [
        account(number + 11, **(base(number) | {"username": f"n{number}"} | values)) for number, values in some
    ]
)

MAPPINGS = st.builds(
    mapping,
    username=st.fixed_dictionaries(
        {"recipe": st.sampled_from(["first_infix_last", "email", "extern_id"]), "rename": st.booleans()}
    ),
    matching=st.fixed_dictionaries(
        {
            "shared_email": st.booleans(),
            "link_on": st.sampled_from([[], ["email"], ["email", "username"]]),
            "protected_idnumbers": st.sampled_from([[], ["B"]]),
        }
    ),
    leavers=st.fixed_dictionaries(
        {"policy": st.sampled_from(["ignore", "report", "suspend"]), "grace_days": st.sampled_from([0, 14])}
    ),
    fields=st.sampled_from([{}, {"city": {"column": "city"}}, {"city": {"column": "city", "write": "if_empty"}}]),
)
LINKS = st.sampled_from([[], [(11, "A", True)], [(11, "A", True), (12, "C", False), (13, "D", True)]])

NOTHING_TO_OBEY = {DecisionKind.IGNORE, DecisionKind.DO_NOT_TOUCH, DecisionKind.LATER, DecisionKind.STANDS_FOR}
"""Kinds that no row carries out: they stay in force, or are about a cohort or course."""
WRITING_KINDS = (DecisionKind.LINK, DecisionKind.REKEY, DecisionKind.CREATE_SEPARATE, DecisionKind.SUSPEND)

# One plan costs some 0.1 s however few the rows, so an example holds many rows and there are few examples.
EXAMPLES = int(os.environ.get("MATCHING_EXAMPLES", "12"))
many = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def planned(
    persons: list[dict[str, Any]],
    accounts: list[dict[str, Any]],
    with_: Mapping,
    links: list[Any],
    *,
    full: bool = True,
    **known: Any,
) -> pd.DataFrame:
    return make_plan(
        persons_frame(persons),
        reasons_frame(),
        accounts_of(accounts),
        with_,
        remembered=Remembered(links=links_frame(*links), **known),
        service_userid=12,
        full=full,
    )


def fields_of(changes: str) -> dict[str, Any]:
    """The changes but for the number behind a username, which depends on who else gets one."""
    return {field: None if field == "username" else pair for field, pair in json.loads(changes).items()}


def decisions_on(plan: pd.DataFrame, draw: st.DrawFn) -> pd.DataFrame:
    """Decisions on most rows of a plan: mostly what writes something there, on accounts that are meant or any other."""
    found = []
    for row in plan.to_dict("records"):
        possible = offered(row["verdict"])
        most = [kind for kind in possible if kind in WRITING_KINDS] * 6
        meant = [*json.loads(row["other_accounts"]), *([] if pd.isna(row["account_id"]) else [row["account_id"]])]
        kind = draw(st.sampled_from([*most, *DecisionKind, None] if most else [None, None, *DecisionKind]))
        if kind is not None:
            on = {"orphan": row["account_id"]} if pd.isna(row["row"]) else {"row": row["row"]}
            chosen = draw(st.sampled_from([*meant * 4, None, 11, 99]))
            found.append(on | {"kind": kind, "account_id": chosen})
    numbers = draw(st.permutations(range(1, len(found) + 1)))
    return decided_frame(*({**one, "decision": number} for one, number in zip(found, numbers, strict=True)))


def applied(
    plan: pd.DataFrame, accounts: list[dict[str, Any]], links: list[Any]
) -> tuple[list[dict[str, Any]], list[Any]]:
    """The accounts and the ledger's links after Moodle did what the plan says."""
    after = {one["id"]: dict(one) for one in accounts}
    known = {link[0]: link for link in links}
    for row in plan.to_dict("records"):
        new = {field: change[1] for field, change in json.loads(row["changes"]).items() if field != "createpassword"}
        if row["action"] == Action.CREATE:
            after[max(after, default=10) + 1] = account(max(after, default=10) + 1) | {"auth": "manual"} | new
        elif row["action"] in WRITING_ACTIONS:
            after[row["account_id"]].update(new)
            if row["action"] == Action.SUSPEND:
                known[row["account_id"]] = (row["account_id"], row["idnumber"], True)
            if row["action"] == Action.REACTIVATE:
                known[row["account_id"]] = (row["account_id"], row["idnumber"], False)
    return list(after.values()), list(known.values())


@many
@given(PERSONS, ACCOUNTS, MAPPINGS, LINKS)
def test_every_person_in_scope_has_one_row_and_no_account_is_written_twice(
    persons: list[dict[str, Any]], accounts: list[dict[str, Any]], with_: Mapping, links: list[Any]
) -> None:
    plan = planned(persons, accounts, with_, links)
    assert list(plan.columns) == list(PLAN_COLUMNS)
    rows = plan[plan["row"].notna()]
    assert list(rows["row"]) == [one["row"] for one in persons if one["in_scope"]]
    assert (readable(plan, ENGLISH)["evidence"] != "").all()
    orphans = plan[plan["row"].isna()]
    assert orphans["account_id"].is_unique
    written = plan[plan["action"].isin(WRITING_ACTIONS) & (plan["action"] != Action.CREATE)]
    assert written["account_id"].notna().all()
    assert written["account_id"].is_unique
    assert ((plan["changes"] != "{}") == plan["action"].isin(WRITING_ACTIONS)).all()


@many
@given(PERSONS, ACCOUNTS, MAPPINGS, LINKS)
def test_a_protected_account_is_never_written(
    persons: list[dict[str, Any]], accounts: list[dict[str, Any]], with_: Mapping, links: list[Any]
) -> None:
    plan = planned(persons, accounts, with_, links)
    protected = {
        one["id"]
        for one in accounts
        if one["username"].lower() in {"admin", "guest"}
        or one["id"] == 12
        or one["idnumber"] in with_.matching.protected_idnumbers
    }
    written = plan[plan["action"].isin(WRITING_ACTIONS)]
    assert not set(written["account_id"].dropna()) & protected


@many
@given(PERSONS, ACCOUNTS, MAPPINGS, LINKS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(
    persons: list[dict[str, Any]], accounts: list[dict[str, Any]], with_: Mapping, links: list[Any], random: Any
) -> None:
    plan = planned(persons, accounts, with_, links)
    shuffled = [random.sample(rows, len(rows)) for rows in (persons, accounts, links)]
    pd.testing.assert_frame_equal(planned(shuffled[0], shuffled[1], with_, shuffled[2]), plan)


@many
@given(PERSONS, ACCOUNTS, MAPPINGS, LINKS, st.sets(st.integers(11, 20), max_size=2), st.booleans(), st.data())
def test_whatever_is_decided_no_account_is_written_twice_nor_a_protected_one(
    persons: list[dict[str, Any]],
    accounts: list[dict[str, Any]],
    with_: Mapping,
    links: list[Any],
    marked: set[int],
    full: bool,
    data: st.DataObject,
) -> None:
    # Kim points at an account that Bea (B) may have, and whoever has no account points at one that is nobody's.
    persons = [*persons, person(30, **base(0) | {"idnumber": "K", "email": "kim@example.org"})]
    accounts = [*accounts, account(30, idnumber="B", email="kim@example.org"), account(31, username="jan")]
    protections = dict.fromkeys(marked, "bert")
    before = planned(persons, accounts, with_, links, full=full, protections=protections)
    decided = decisions_on(before, data.draw)
    plan = planned(persons, accounts, with_, links, full=full, protections=protections, decided=decided)

    assert (plan.dtypes == before.dtypes).all()
    assert list(plan["row"].dropna()) == list(before["row"].dropna())
    nobodys = plan.loc[plan["row"].isna(), "account_id"]
    assert nobodys.notna().all()
    assert nobodys.is_unique
    assert list(nobodys) == sorted(nobodys)
    written = plan[plan["action"].isin(WRITING_ACTIONS)]
    assert (written["changes"] != "{}").all()
    assert (plan.loc[~plan["action"].isin(WRITING_ACTIONS), "changes"] == "{}").all()
    there = written[written["action"] != Action.CREATE]
    assert there["account_id"].notna().all()
    assert there["account_id"].is_unique
    assert written.loc[written["action"] == Action.CREATE, "account_id"].isna().all()
    never = marked | {12} | {one["id"] for one in accounts if one["username"].lower() in {"admin", "guest"}}
    assert not set(there["account_id"]) & never
    named = [change["username"][1] for change in plan["changes"].map(json.loads) if "username" in change]
    assert len(set(named)) == len(named)
    # Nobody's account is taken by a decision of somebody else, and two accounts never get one idnumber.
    given_ = [change["idnumber"][1] for change in plan["changes"].map(json.loads) if "idnumber" in change]
    assert len(set(given_) - {""}) == len([one for one in given_ if one])
    numbers = {one["idnumber"] for one in persons if one["in_scope"]}
    for row in there.to_dict("records"):
        (held,) = [one["idnumber"] for one in accounts if one["id"] == row["account_id"]]
        if held in numbers and held.strip():
            assert row["idnumber"] == held or json.loads(row["changes"]) == {"idnumber": [held, ""]}
    # Every decision is obeyed, in force, or refused with a reason; a row without one is as it was.
    undecided = plan["row"].notna() & ~plan["row"].isin(decided["row"].dropna())
    was = before[before["row"].notna()].set_index("row")
    for row in plan[undecided].to_dict("records"):
        assert row["action"] == was["action"][row["row"]]
        assert fields_of(row["changes"]) == fields_of(was["changes"][row["row"]])
    obeyed = set(plan["decision"].dropna())
    for one in decided.to_dict("records"):
        if one["kind"] in NOTHING_TO_OBEY:
            continue
        on = plan[
            plan["row"].eq(one["row"])
            if pd.notna(one["row"])
            else plan["account_id"].eq(one["orphan"]) & plan["row"].isna()
        ]
        gone = on.empty  # an orphan whose account became a person's
        assert one["decision"] in obeyed or gone or "decision_not_possible" in on["reasons"].iloc[0]


@many
@given(PERSONS, ACCOUNTS, MAPPINGS, LINKS, st.data())
def test_the_order_of_the_decisions_frame_changes_nothing(
    persons: list[dict[str, Any]], accounts: list[dict[str, Any]], with_: Mapping, links: list[Any], data: st.DataObject
) -> None:
    decided = decisions_on(planned(persons, accounts, with_, links), data.draw)
    plan = planned(persons, accounts, with_, links, decided=decided)
    turned = decided.iloc[::-1].reset_index(drop=True)
    pd.testing.assert_frame_equal(planned(persons, accounts, with_, links, decided=turned), plan)


@many
@given(PERSONS, ACCOUNTS, MAPPINGS, LINKS)
def test_usernames_given_are_free(
    persons: list[dict[str, Any]], accounts: list[dict[str, Any]], with_: Mapping, links: list[Any]
) -> None:
    plan = planned(persons, accounts, with_, links)
    given_ = [change["username"][1] for change in plan["changes"].map(json.loads) if "username" in change]
    assert len(set(given_)) == len(given_)
    assert not set(given_) & {one["username"].strip().lower() for one in accounts}


@many
@given(PERSONS, ACCOUNTS, MAPPINGS, LINKS)
def test_a_name_or_address_is_never_emptied(
    persons: list[dict[str, Any]], accounts: list[dict[str, Any]], with_: Mapping, links: list[Any]
) -> None:
    for changes in planned(persons, accounts, with_, links)["changes"].map(json.loads):
        for field in ("firstname", "lastname", "email", "idnumber", "username"):
            assert changes.get(field, ["", "x"])[1] != ""


@many
@given(PERSONS, ACCOUNTS, MAPPINGS, LINKS)
def test_a_plan_carried_out_leaves_nothing_to_do_for_whom_it_wrote(
    persons: list[dict[str, Any]], accounts: list[dict[str, Any]], with_: Mapping, links: list[Any]
) -> None:
    plan = planned(persons, accounts, with_, links)
    wrote = plan[plan["action"].isin(WRITING_ACTIONS)]
    again = planned(persons, *_swap(applied(plan, accounts, links), with_))
    for row in wrote["row"].dropna():
        after = again[again["row"] == row].iloc[0]
        assert after["action"] == Action.NONE, (after["verdict"], after["changes"])
    suspended = again[again["account_id"].isin(wrote.loc[wrote["action"] == Action.SUSPEND, "account_id"])]
    assert (suspended["action"] == Action.NONE).all()


@many
@given(PERSONS, ACCOUNTS, MAPPINGS, LINKS)
def test_without_a_full_run_the_persons_rows_are_the_same(
    persons: list[dict[str, Any]], accounts: list[dict[str, Any]], with_: Mapping, links: list[Any]
) -> None:
    full = planned(persons, accounts, with_, links)
    changed = planned(persons, accounts, with_, links, full=False)
    pd.testing.assert_frame_equal(changed, full[full["row"].notna()].reset_index(drop=True))


def _swap(state: tuple[list[dict[str, Any]], list[Any]], with_: Mapping) -> tuple[Any, Any, Any]:
    return state[0], with_, state[1]
