"""What several sources say differently, as reasons."""

from __future__ import annotations

import json

import pandas as pd

from moodle_coupling.mapping import Mapping
from moodle_coupling.people.transform import transform
from moodle_coupling.words.sentence import ENGLISH, Texts

DUTCH = Texts("nl")

MAPPING = Mapping.model_validate(
    {"environment": "demo", "connection": "moodle_demo", "source": {"path": "a.csv"}, "idnumber": "person_id"}
)


def persons(**findings: list[str]) -> pd.DataFrame:
    number = len(next(iter(findings.values())))
    ids = [str(row) for row in range(1, number + 1)]
    given = {"firstname": "Jan", "lastname": "Berg", "email1": "jan@example.org"}
    return pd.DataFrame({"row": range(1, number + 1), "person_id": ids, **given, **findings})


def test_each_field_that_differs_is_a_reason_of_its_own_and_stops_nothing():
    said = json.dumps({"city": "'Łódź' in A, 'Ede' in B", "email1": "'a@example.org' in A, 'b@example.org' in B"})
    reasons = transform(persons(sources_differ=["", said]), MAPPING).reasons
    assert reasons[["row", "code", "field", "value", "blocks"]].to_numpy().tolist() == [
        [2, "sources_differ", "city", "'Łódź' in A, 'Ede' in B", ""],
        [2, "sources_differ", "email1", "'a@example.org' in A, 'b@example.org' in B", ""],
    ]
    assert DUTCH.say(reasons["said"][0]).startswith(
        "De bronnen verschillen over city; de eerste wordt gevolgd: 'Łódź' in A"
    )


def test_who_is_not_clear_is_rejected():
    result = transform(persons(sources_disagree=["", "Jan in A, Eva in B"]), MAPPING)
    assert result.counts.rejected == 1
    assert result.reasons["code"].tolist() == ["sources_disagree"]
    assert "Jan in A, Eva in B" in ENGLISH.say(result.reasons["said"][0])


def test_one_source_says_nothing_of_the_kind():
    assert transform(persons(city=["Ede"]), MAPPING).reasons.empty


def test_a_disagreement_of_many_sources_is_told_to_its_end():
    said = ", ".join(f"Persoon Nummer-{number} <persoon{number}@example.org> in Bron {number}" for number in range(6))
    reasons = transform(persons(sources_disagree=["", said]), MAPPING).reasons
    assert said in ENGLISH.say(reasons["said"][0])
    assert said in DUTCH.say(reasons["said"][0])
