"""Batches fit a call by count, by form variables and by bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from moodle_coupling.hooks.moodle.records import AccountChange, NewAccount, body_size, count_variables, new_account
from moodle_coupling.provisioning.lookups import batches, cost

accounts = st.lists(
    st.builds(
        NewAccount,
        st.dictionaries(st.sampled_from(["username", "email", "city", "lang"]), st.text(max_size=30), min_size=1),
        st.dictionaries(st.sampled_from(["a", "b", "c"]), st.text(max_size=30)),
    ),
    max_size=60,
)


@given(accounts, st.integers(1, 20), st.integers(20, 80), st.integers(1000, 5000))
def test_batches_keep_order_and_fit_as_the_hook_counts(items, count, variables, size):
    made = list(batches(items, max_count=count, max_variables=variables, max_bytes=size))
    assert [item for batch in made for item in batch] == items
    for batch in made:
        params = {"users": [new_account(item) for item in batch]}
        assert len(batch) <= count
        assert count_variables(params) <= variables or len(batch) == 1
        assert body_size(params) <= size or len(batch) == 1


def test_a_profile_field_takes_two_variables_and_the_id_of_a_change_one():
    assert cost(NewAccount({"username": "a", "email": "b"}, {"f": "x"}))[0] == 4
    assert cost(AccountChange(5, {"city": "x"}, {"f": ""}))[0] == 4
    assert cost("value")[0] == 1


def test_an_item_too_large_by_itself_is_a_batch_of_its_own():
    big = NewAccount({"username": "x" * 5000})
    small = NewAccount({"username": "y"})
    made = list(batches([small, big, small], max_count=50, max_variables=100, max_bytes=1000))
    assert made == [[small], [big], [small]]


def test_batches_are_no_smaller_than_they_need_be():
    items = [NewAccount({"username": f"u{n}", "email": "e"}) for n in range(100)]
    assert [len(batch) for batch in batches(items, max_count=30, max_variables=1000)] == [30, 30, 30, 10]
    assert [len(batch) for batch in batches(items, max_count=99, max_variables=3 + 2 * 25)] == [25] * 4
