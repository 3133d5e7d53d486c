"""A reading of everyone under way: parts of it are read some at a time, kept, counted and put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from moodle_coupling.provisioning.snapshot.pieces import Piece, joined
from moodle_coupling.provisioning.snapshot.turns import in_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from moodle_coupling.provisioning.snapshot.checkpoint import Pieces
    from moodle_coupling.provisioning.snapshot.parts import Part, Refusal
    from moodle_coupling.provisioning.snapshot.tracker import Tracker
    from moodle_coupling.provisioning.wire import Wire


@dataclass(frozen=True, slots=True)
class _Job:
    """A part to read, and its piece where an earlier try kept it."""

    part: Part
    kept: Piece | None


class Reading:
    """What one reading of everyone has and does; the strategies differ in the parts they ask for.

    ``ids``: of the accounts read so far; ``unreadable``: values whose accounts Moodle cannot show.
    """

    def __init__(self, wire: Wire, pieces: Pieces, tracker: Tracker) -> None:
        self.tracker = tracker
        self.ids: set[int] = set()
        self.unreadable: set[str] = set()
        self._wire = wire
        self._pieces = pieces
        self._frames: list[pd.DataFrame] = []

    def read(self, take: Callable[[], Part | None]) -> Iterator[tuple[Part, Piece | Refusal]]:
        """Read the parts that ``take`` gives, parallel_requests at a time, and give each with what came of it.

        A part of which an earlier try kept a fresh piece costs no call.
        """

        def next_part() -> _Job | None:
            # The keeper is asked in this thread only.
            part = take()
            return None if part is None else _Job(part, self._pieces.get(part.name))

        def read_one(job: _Job) -> Piece | Refusal:
            return job.part.read(self._wire, self.tracker) if job.kept is None else job.kept

        at_once = self._wire.hook.settings.parallel_requests
        for job, result in in_turn(read_one, next_part, at_once, tick=self.tracker.tick):
            if job.kept is not None:
                self.tracker.credit(len(job.kept.accounts))
            elif isinstance(result, Piece):
                self._pieces.put(job.part.name, result)
            if isinstance(result, Piece):
                self._take_in(result)
            yield job.part, result

    def _take_in(self, piece: Piece) -> None:
        self._frames.append(piece.accounts)
        self.ids.update(piece.accounts["id"].tolist())
        self.unreadable.update(piece.unreadable)

    def accounts(self) -> pd.DataFrame:
        """Give everyone read so far, once."""
        whole = joined(self._frames)
        self._frames = [whole]
        return whole
