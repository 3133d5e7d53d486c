"""Cases that show only from one run to the next."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from cases.conftest import CASES
from orchestration.conftest import coupling, empty_ledger  # noqa: F401  # fixtures
from orchestration.coupling import Coupling, connect

from moodle_coupling.ledger import leases
from moodle_coupling.mapping.file import load_mapping
from moodle_coupling.orchestration.run import the_ledger
from moodle_coupling.sandbox.moodle import SandboxMoodle, running_moodle
from moodle_coupling.sources.contract import Mode, Wanted
from moodle_coupling.sources.kinds import open_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def moodle(coupling: Coupling, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxMoodle]:  # noqa: F811
    with running_moodle() as running:
        connect(monkeypatch, coupling.name, running.url, running.token)
        yield running


def test_a_row_dated_in_the_future_does_not_move_the_watermark_past_now(database: Callable[[str], Path]) -> None:
    path = database("future-watermark")
    mapping = load_mapping(CASES / "future-watermark" / "future_watermark.yaml")
    source = open_source(mapping, CASES / "future-watermark")
    first = source.extract(Wanted())
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("update p set lastname='Bosch', chg='2026-06-01T12:00:00' where person_id=1")
        connection.commit()
    found = source.extract(Wanted(Mode.CHANGED, first.watermark))
    assert dict(zip(found.persons["person_id"], found.persons["lastname"], strict=True)) == {"1": "Bosch", "2": "Kok"}
    assert not found.complete
    for one in (first, found):
        assert [text for text in map(str, one.warnings) if "2206-05-01T00:00:00" in text and "1 row has" in text]

    # One that an earlier version had moved there begins anew, once.
    stuck = first.watermark.replace("2026-01-01T10", "2206-05-01T00")
    healed = source.extract(Wanted(Mode.CHANGED, stuck))
    assert healed.complete
    assert len(healed.persons) == 2
    assert any("Everyone was read" in text for text in map(str, healed.warnings))
    again = source.extract(Wanted(Mode.CHANGED, healed.watermark))
    assert not again.complete
    assert not any("Everyone was read" in text for text in map(str, again.warnings))


def people(number: int, refused: int) -> list[tuple[str, ...]]:
    return [
        (str(n), f"E-{n}", f"Voor{n}", "", f"Naam{n}", f"p{n}@example.org", "sw" if n <= refused else "en")
        for n in range(1, number + 1)
    ]


# 'one-bad-person-every-run': Plaats is the column that the language comes from.
@pytest.mark.parametrize(("number", "refused", "state"), [(30, 1, "success"), (10, 1, "success"), (30, 3, "failed")])
def test_whom_moodle_refuses_every_night_makes_no_quiet_run_red(
    coupling: Coupling, moodle: SandboxMoodle, number: int, refused: int, state: str # noqa: F811
) -> None:  # fmt: skip
    assert (CASES / "one-bad-person-every-run").is_dir()
    coupling.persons(people(number, refused))
    coupling.more = "  lang: {column: city}\n"
    first, second = coupling.run(), coupling.run()
    assert (first.state, second.state) == (state, state)
    assert first.frame("outcomes")["status"].value_counts().to_dict() == {"done": number - refused, "rejected": refused}
    outcomes = second.frame("outcomes").set_index("idnumber")
    assert second.actions == {"none": number - refused, "create": refused}
    assert outcomes.loc["E-1", "status"] == "rejected"
    assert coupling.run(person_ids=["1"]).state == "failed"  # whoever asks for one person wants to know


def test_many_whom_moodle_refuses_every_night_bring_no_quarantine(coupling: Coupling, moodle: SandboxMoodle) -> None:  # noqa: F811
    coupling.mapping += "limits: {{tolerated_failures: 0.5}}\n"
    coupling.mapping = coupling.mapping.replace(
        "  city: {{column: city}}\n", "  city: {{column: city}}\n  lang: {{column: city}}\n"
    )
    coupling.persons(people(60, 22))
    assert coupling.run().state == "success"
    quiet = coupling.run()
    assert quiet.actions == {"none": 38, "create": 22}
    assert quiet.state == "success"
    assert leases.in_quarantine(the_ledger(), coupling.name) is None
