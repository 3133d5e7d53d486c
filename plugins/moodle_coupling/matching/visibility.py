"""Fields that a site can hide from the token one by one: absent is then not empty, and each must be proved visible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from moodle_coupling.contract.fields import FIELDS, Seen
from moodle_coupling.mapping import Write
from moodle_coupling.matching.changes import policy_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from moodle_coupling.mapping import Mapping

HIDEABLE: Final = tuple(field.name for field in FIELDS if field.seen is Seen.NOT_HIDDEN and field.width)
"""What hiddenuserfields hides without a trace: Moodle leaves an empty value out of its answers, and a hidden one alike
(recordings 460-493). A hidden 'suspended' or e-mail address shows on every account, and a run refuses to start. Profile
fields are shown with moodle/user:viewalldetails whatever their visibility (recording 287), and without it no username is."""


def compared_fields(mapping: Mapping) -> tuple[str, ...]:
    """Give those of HIDEABLE that the mapping writes to accounts that are there, so that they must be seen."""
    return tuple(field for field in HIDEABLE if policy_of(field, mapping) != Write.ON_CREATE)


def shown_fields(accounts: pd.DataFrame, fields: Iterable[str], *, own_id: int | None) -> set[str]:
    """Give those fields that are seen to be visible: some account other than the service user's shows a value.

    A user may see more of itself than of others, so its own account proves nothing; while it is not known which one that
    is (``own_id`` None) two accounts must show a value.
    """
    others = accounts if own_id is None else accounts[accounts["id"] != own_id]
    enough = 2 if own_id is None else 1
    return {field for field in fields if field in others and int((others[field] != "").sum()) >= enough}
