"""Drift: what differs in Moodle although the source says what was last written, so that someone changed it there by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from moodle_coupling.matching.compare import differs

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from moodle_coupling.matching.remembered import Remembered
    from moodle_coupling.matching.view import View

REPAIRED: Final = "repaired"
REPORTED: Final = "reported"
_PERSONAL: Final = frozenset({"auth", "lang", "timezone", "theme"})
"""Fields that their users set, or that say how they log in: a difference is no drift."""


@dataclass
class Drift:
    """What was changed by hand, by row number of the plan: {field: [in Moodle, in the source, repaired or reported]}."""

    as_written: pd.Series[bool]
    """On the index of the view's persons."""
    _found: dict[int, dict[str, list[str]]] = field(default_factory=dict)

    @classmethod
    def of(cls, view: View, known: Remembered) -> Drift:
        """Begin; a username that is not the one we gave is told at once."""
        drift = cls(view.persons["row"].isin(list(known.as_written)))
        if drift.as_written.any() and known.links is not None and "username" in known.links:
            drift._usernames(view, known.links)
        return drift

    def note(
        self,
        name: str,
        old: pd.Series[str],
        new: pd.Series[str],
        *,
        barred: npt.NDArray[np.bool_],
        written: npt.NDArray[np.bool_],
    ) -> None:
        """Note where a field differs of those as written; ``written`` are those in whom the plan puts it right."""
        if name in _PERSONAL:
            return
        mine = self.as_written.loc[old.index].to_numpy() & ~barred
        if not mine.any():
            return
        mine[mine] = differs(name, old[mine], new[mine]).to_numpy() & (new[mine] != "").to_numpy() | written[mine]
        for at, held, said, right in zip(old.index[mine], old[mine], new[mine], written[mine], strict=True):
            self._found.setdefault(int(at), {})[name] = [held, said, REPAIRED if right else REPORTED]

    def texts(self, rows: int) -> list[str]:
        """Give the JSON objects, one per row of the plan."""
        return [json.dumps(self._found[at], ensure_ascii=False) if at in self._found else "{}" for at in range(rows)]

    def _usernames(self, view: View, links: pd.DataFrame) -> None:
        given = links[links["username"] != ""].drop_duplicates("idnumber").set_index("idnumber")
        held = view.accounts.drop_duplicates("idnumber", keep=False).set_index("idnumber")["username"]
        persons = view.persons[self.as_written]
        for at, idnumber in persons["idnumber"].items():
            if idnumber in given.index and idnumber in held.index and held[idnumber] != given["username"][idnumber]:
                self._found[int(at)] = {"username": [held[idnumber], given["username"][idnumber], REPORTED]}  # type: ignore[call-overload]
