"""A piece of a reading: the accounts that a few calls gave, as a frame, and what they could not give."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd

from moodle_coupling.contract.fields import PROFILE_PREFIX
from moodle_coupling.matching.accounts import no_accounts

if TYPE_CHECKING:
    from collections.abc import Sequence

_KIND, _VALUE = "piece_kind", "piece_value"
_ACCOUNT, _UNREADABLE, _DELETED, _READ_AT = "account", "unreadable", "deleted", "read_at"


@dataclass(frozen=True, slots=True)
class Piece:
    """``accounts``: an accounts frame; ``unreadable``: values without an answer; ``deleted``: ids of deleted accounts."""

    accounts: pd.DataFrame = field(default_factory=no_accounts)
    unreadable: tuple[str, ...] = ()
    deleted: tuple[int, ...] = ()

    def highest(self) -> int:
        """Give the highest id that someone has or had, 0 when nobody has."""
        ids = [*self.deleted, *(int(value) for value in self.unreadable if value.isascii() and value.isdigit())]
        return max([*ids, 0 if self.accounts.empty else int(self.accounts["id"].max())], default=0)


def joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Give accounts frames as one: nobody twice (the later frame counts), by id; a profile field nobody has is ''."""
    filled = [frame for frame in frames if not frame.empty]
    if not filled:
        return no_accounts()
    whole = pd.concat(filled, ignore_index=True).drop_duplicates("id", keep="last")
    profile = sorted(name for name in whole.columns if name.startswith(PROFILE_PREFIX))
    whole = whole[[*(name for name in whole.columns if not name.startswith(PROFILE_PREFIX)), *profile]]
    whole[profile] = whole[profile].fillna("")
    return whole.sort_values("id", ignore_index=True)


def packed(piece: Piece, read_at: datetime) -> pd.DataFrame:
    """Give a piece as one frame, to be kept: a row per account, unreadable value and deleted id, and for the moment."""
    beside = [
        (0, _READ_AT, read_at.isoformat()),
        *((0, _UNREADABLE, value) for value in piece.unreadable),
        *((id_, _DELETED, "") for id_ in piece.deleted),
    ]
    rows = pd.DataFrame(beside, columns=["id", _KIND, _VALUE])
    whole = pd.concat([piece.accounts.assign(**{_KIND: _ACCOUNT, _VALUE: ""}), rows], ignore_index=True)
    texts = [name for name in whole.columns if name not in ("id", "suspended")]
    whole[texts] = whole[texts].fillna("").astype("str")
    whole["suspended"] = whole["suspended"].astype("boolean").fillna(value=False).astype("bool")
    return whole


def unpacked(frame: pd.DataFrame) -> tuple[Piece, datetime]:
    """Give back what was packed: the piece, and when it was read."""
    values = frame.groupby(_KIND)[_VALUE].agg(list)
    piece = Piece(
        frame[frame[_KIND] == _ACCOUNT].drop(columns=[_KIND, _VALUE]).reset_index(drop=True),
        tuple(values.get(_UNREADABLE, ())),
        tuple(int(id_) for id_ in frame.loc[frame[_KIND] == _DELETED, "id"]),
    )
    return piece, datetime.fromisoformat(values[_READ_AT][0])
