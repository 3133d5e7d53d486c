"""The SQL of a mapping file: read, never run, and values only ever bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_coupling.mapping.expressions import bound, query_problem


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM persons",
        "select 1;",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "-- who works here\n/* all; of them */ (SELECT 1) UNION SELECT 2",
        "VALUES (1)",
        "TABLE persons",
        "SELECT ';' AS a, \"b;c\", `d;e`, $x$ f; $x$ FROM persons",
        "SELECT a::text, b FROM persons",
        "SELECT ':since' AS a FROM persons -- :since",
        "SELECT a AS since FROM persons WHERE b::since = 1",
    ],
)
def test_a_query_that_only_reads_is_fine(query):
    assert query_problem(query, since=False) is None


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("DELETE FROM persons", "must be one SELECT"),
        ("selection", "must be one SELECT"),
        ("-- SELECT\nUPDATE persons SET a = 1", "must be one SELECT"),
        ("SELECT 1; DELETE FROM persons", "';' in the middle"),
        ("SELECT * FROM {{ params.table }}", "not filled in here"),
        ("SELECT '${HOME}'", "not filled in here"),
        ("SELECT * FROM persons WHERE a > :since", "write that query under source.changed_query"),
    ],
)
def test_what_is_none_is_told(query, problem):
    assert problem in str(query_problem(query, since=False))


def test_a_changed_query_must_use_the_watermark():
    assert query_problem("SELECT * FROM persons WHERE a > :since", since=True) is None
    for query in ("SELECT * FROM persons", "SELECT ':since'", "SELECT a::since", "SELECT :since_when"):
        assert "must use :since" in str(query_problem(query, since=True))


@pytest.mark.parametrize(
    ("query", "mark", "sql", "times"),
    [
        ("a > :since OR :since < a", "?", "a > ? OR ? < a", 2),
        ("a > :since", "%s", "a > %s", 1),
        ("a LIKE '%x' AND b > :since", "%s", "a LIKE '%%x' AND b > %s", 1),
        ("a LIKE '%x' AND b > :since", "?", "a LIKE '%x' AND b > ?", 1),
        ("a LIKE '%x'", "%s", "a LIKE '%x'", 0),
        ("':since' || \":since\" || :since -- :since", "?", "':since' || \":since\" || ? -- :since", 1),
        ("a::since > :since::timestamp", "?", "a::since > ?::timestamp", 1),
        ("'it''s :since' < :since", "?", "'it''s :since' < ?", 1),
    ],
)
def test_the_watermark_is_bound_where_it_is_meant(query, mark, sql, times):
    assert bound(query, mark) == (sql, times)


@given(st.text())
def test_a_text_in_quotes_is_never_touched(text):
    query = "SELECT '" + text.replace("'", "''") + "'"
    assert bound(query, "%s") == (query, 0)
    assert query_problem(query, since=False) in {None, query_problem("SELECT '{{'", since=False)}
