"""Toys as persons, or as a list of access."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from moodle_coupling.people.arrow import pa
from moodle_coupling.sources.headings import Headings
from moodle_coupling.sources.records import Records
from moodle_coupling.sources.toy.settings import ToyList

if TYPE_CHECKING:
    from moodle_coupling.sources.contract import Extract, Wanted
    from moodle_coupling.sources.toy.settings import ToySource


@dataclass(frozen=True)
class ToyReader:
    settings: ToySource
    where: str = "the toy"
    kind: str = "toy"
    incremental: bool = False

    def extract(self, wanted: Wanted) -> Extract:  # always everyone
        names = self.settings.names
        said = {
            "person_id": [str(number) for number in range(1, len(names) + 1)],
            "firstname": names,
            "lastname": ["Toy"] * len(names),
            "email1": [f"{name}@example.com" for name in names],
        }
        if isinstance(self.settings, ToyList):
            said["course"] = self.settings.courses
        records = Records(Headings({name: at for at, name in enumerate(said)}, {name: name for name in said}))
        columns = {name: pa.array(values, type=pa.large_string()) for name, values in said.items()}
        records.add_columns(np.arange(1, len(names) + 1), columns)
        return records.extract({})
