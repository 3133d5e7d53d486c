"""Drift: what differs in Moodle although the source says what was last written, so that someone changed it there by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pandas as pd

from moodle_coupling.contract.fields import FIELDS
from moodle_coupling.matching.compare import differs

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from moodle_coupling.matching.remembered import Remembered
    from moodle_coupling.matching.view import View

REPAIRED: Final = "repaired"
REPORTED: Final = "reported"
_PERSONAL: Final = frozenset(field.name for field in FIELDS if field.personal)
_NO_LINKS: Final = pd.DataFrame({"idnumber": pd.Series(dtype="str"), "username": pd.Series(dtype="str")})


@dataclass
class Drift:
    """What was changed by hand, by row number of the plan: {field: [in Moodle, in the source, repaired or reported]}.

    ``as_written`` is on the index of the view's persons; ``usernames`` are those that accounts had when last looked at,
    by idnumber.
    """

    as_written: pd.Series[bool]
    usernames: pd.Series[str]
    _found: dict[int, dict[str, list[str]]] = field(default_factory=dict)

    @classmethod
    def of(cls, view: View, known: Remembered) -> Drift:
        """Begin with nothing found."""
        links = known.links if known.links is not None and "username" in known.links else _NO_LINKS
        one_each = pd.DataFrame(links, columns=["idnumber", "username"]).drop_duplicates("idnumber", keep=False)
        usernames = one_each.set_index("idnumber")["username"].fillna("").astype("str")
        return cls(view.persons["row"].isin(list(known.as_written)), usernames)

    def note_usernames(
        self, held: pd.Series[str], idnumbers: pd.Series[str], *, written: npt.NDArray[np.bool_]
    ) -> None:
        """Note whose account has another username by now; ``held`` and ``idnumbers`` are on the index of the rows."""
        if self.usernames.empty or not self.as_written.any():
            return
        given = self.usernames.reindex(idnumbers).set_axis(idnumbers.index).fillna("")
        self.note("username", held, given, barred=(given == "").to_numpy(), written=written)

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
