"""Texts of others in Markdown, rendered as Airflow renders it: they show, and do nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from provisioning.plans import create, plan_of, row

from moodle_coupling.contract.safe_text import code, fenced, plain
from moodle_coupling.errors import MappingError
from moodle_coupling.mapping import Mapping, Safeguards
from moodle_coupling.matching.safeguards import Facts, approval_body, evaluate
from moodle_coupling.provisioning.load.rows import Outcome, OutcomeStatus, outcomes_frame
from moodle_coupling.provisioning.report import summary
from moodle_coupling.words.sentence import ENGLISH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

HOSTILE = (
    "![x](http://evil.example/a.png)", "[x](javascript:alert(1))", "<img src=x onerror=alert(1)>", "<http://evil.example>", "<a@evil.example>",
    "http://evil.example/x", "https://evil.example", "HTTPS://evil.example", "www.evil.example", "WWW.evil.example", "a@evil.example", "mailto:a@evil.example",
    "[x]: http://evil.example", "![x][y]", "[^1]", "`x` ``` y", "~~~", "| a | b |", "x | y", "**b** _i_ *j* ~~s~~", "# h", "> q", "- l", "+ l", "1. l", "1) l",
    "===", "---", "- [ ] t", "a\n\n# h", "a\u2028> b", "\\", "\\[x](y)", "\\|", "&lt;img&gt;", "&#60;b>", "    code", "<!-- c -->", "<?php", "]]>", "{{ x }}", "$x$",
)  # fmt: skip
PIECES = st.lists(
    st.sampled_from(
        [*"![]()<>`*_~#|\\&;:/@.-+=1 \n\"'{}", "http://", "www.", "x", "é", "&#91;", "javascript:", "    ", "a@b.nl"]
    ),
    max_size=12,
)
TEXTS = st.one_of(st.text(max_size=30), PIECES.map("".join))


def every(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from every(token.children or [])


def rendered(text: str) -> list[Token]:
    """Read Markdown with all that could make a link of a text, and HTML let through."""
    return list(every(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)))


def harm(text: str) -> set[str]:
    return {token.type for token in rendered(text)} & {
        "image", "link_open", "html_inline", "html_block", "em_open", "strong_open", "s_open", "blockquote_open", "hr", "ordered_list_open",
    }  # fmt: skip


def linked(text: str) -> bool:
    """Tell whether what a reader sees would become a link, as in Airflow's pages: there a text is searched once all escapes are undone."""
    import re

    seen = "".join(token.content for token in rendered(text) if token.type in {"text", "text_special"})
    return (
        re.search(r"(https?://|www(?=\.))[-.\w]+|[-.\w+]+@[-\w]+(\.[-\w]+)+", seen, re.IGNORECASE | re.ASCII)
        is not None
    )


def seen(tokens: list[Token]) -> str:
    return "".join(token.content for token in tokens if token.type in {"text", "text_special", "code_inline"}).replace(
        "\u2060", ""
    )


@given(TEXTS)
@example("![x](http://evil.example)")
@example("1.")
@example("=")
def test_a_text_shows_as_it_is_and_is_nothing_else(text: str) -> None:
    line = " ".join(text.split()).replace("\0", "\ufffd").replace("\u2060", "")
    for before in ("", "* ", "* person ", "## "):
        tokens = rendered(f"{before}{plain(text)}")
        assert {token.type for token in tokens} <= {
            "paragraph_open", "paragraph_close", "inline", "text", "text_special", "bullet_list_open", "bullet_list_close", "list_item_open",
            "list_item_close", "heading_open", "heading_close",
        }  # fmt: skip
        assert not linked(f"{before}{plain(text)}")
        assert sum(token.type == "list_item_open" for token in tokens) == before.startswith("*")
        assert seen(tokens).strip() == (before.lstrip("*# ") + line).strip()
    (*_, cell) = [token for token in rendered(f"| a | b |\n|---|---|\n| {plain(text)} | c |") if token.type == "inline"]
    assert cell.content == "c"


@given(TEXTS)
@example("```\n# h")
@example("`x`")
def test_code_and_blocks_end_where_we_end_them(text: str) -> None:
    kinds = [token.type for token in rendered(f"{fenced(text)}\n")]
    assert kinds == ["fence"]
    if line := text.strip():
        assert {token.type for token in rendered(f"a {code(line)} b")} == {
            "paragraph_open",
            "inline",
            "text",
            "code_inline",
            "paragraph_close",
        }


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("named", [True, False])
def test_the_summary_and_the_approval(text: str, *, named: bool) -> None:
    """Every text of a plan, its outcomes and its source is somebody else's."""
    hostile = {"person_id": text, "extern_id": text, "idnumber": text, "firstname": text, "lastname": text}
    reasons = [{"code": "firstname_missing", "field": text, "message": text}]
    rows = [
        create(1),
        row(2, "update", new={"city": (text, text), text: (None, text)}, account_id=9),
        row(3, "none", verdict="id_differs", evidence=text),
        row(4, "reject", reasons=reasons),
    ]
    drift = json.dumps({text: ["a", "b", "repaired"]})
    plan = plan_of([one | hostile | {"drift": drift} for one in rows])
    ends = outcomes_frame(plan, [Outcome(at, OutcomeStatus.FAILED, "x-y", text) for at in range(len(plan))])
    left_out = pd.DataFrame({"line": [7], "message": [text]})
    told = [summary(plan, outcomes, left_out, title=text, named=named, warnings=[text]) for outcomes in (None, ends)]
    tripped = evaluate(plan, Facts(links=4, persons_now=4, persons_before=4, ever_loaded=False), Safeguards())
    assert tripped
    for body in [*told, approval_body(plan, tripped, ENGLISH, named=named)]:
        assert harm(body) == set()
        assert not linked(body)
        assert body.count("\n# ") == 0


@pytest.mark.parametrize("text", HOSTILE)
def test_what_airflow_shows_of_a_dag(text: str) -> None:
    from moodle_coupling.orchestration.coupling_dags import provision_doc, reconcile_doc
    from moodle_coupling.orchestration.dags import broken_dags

    title = " ".join(text.split())
    mapping = Mapping.model_validate(
        {"environment": "demo", "connection": "moodle_demo", "source": {"path": "p.csv"}, "idnumber": "extern_id"}
    ).model_copy(update={"title": title})
    usual = harm(provision_doc(mapping.model_copy(update={"title": "x"}), Path("x.yaml")))
    for doc in (provision_doc, reconcile_doc):
        body = doc(mapping, Path("x`![y](z).yaml"))
        assert harm(body) <= usual | {"strong_open"}
        assert not linked(body)
    for dag in broken_dags(MappingError(text)):
        assert [token.type for token in rendered(dag.doc_md)].count("fence") == 1
        assert harm(dag.doc_md) == set()
