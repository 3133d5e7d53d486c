"""The part of the connection check that is about free fields: their shape, and which of those wanted may leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moodle_coupling.errors import CoachviewError
from moodle_coupling.hooks.coachview.connection import FreeShape
from moodle_coupling.hooks.coachview.free import definitions, free_codes, shapes_of
from moodle_coupling.hooks.moodle.check import Finding, Level

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from moodle_coupling.hooks.coachview.hook import CoachviewHook


def check_free_fields(hook: CoachviewHook, rows: list[dict[str, Any]], wanted: Sequence[str]) -> Iterator[Finding]:
    """Say in which shape free fields stand on a sample of rows (keys in lower case), and how it is with the wanted codes.

    Raises a CoachviewError for a shape that cannot be read.
    """
    shapes = sorted({shape for row in rows for shape in shapes_of(row)})
    said = hook.settings.free_fields
    if not shapes:
        yield Finding(
            Level.ERROR if wanted and said is FreeShape.AUTO else Level.WARNING if wanted else Level.OK,
            "free_fields",
            f"None of {len(rows)} persons looked at shows free fields in a shape that is known.",
            "If they have some in Coachview, compare with its Swagger page; else set 'free_fields' in the connection to the shape "
            "your Coachview uses."
            if wanted
            else "",
        )
        return
    if said is not FreeShape.AUTO and shapes != [said]:
        yield Finding(
            Level.ERROR,
            "free_shape",
            f"Free fields come in the shape {' and '.join(shapes)}; the connection says '{said}'.",
            "Set 'free_fields' to 'auto' or to what comes.",
        )
    flags = _flags(hook, rows)
    if isinstance(flags, Finding):
        yield flags
        flags = {}
    codes = sorted({code for row in rows for code in free_codes(row)}, key=str.lower)
    hidden = sum(flags.get(code.lower(), False) for code in codes)
    yield Finding(
        Level.OK,
        "free_fields",
        f"Free fields come in the shape {' and '.join(shapes)}: {len(codes)} codes, {hidden} confidential.",
    )
    seen = {code.lower() for code in codes}
    yield from (_wanted_field(hook, code, seen, flags) for code in dict.fromkeys(wanted))


def _flags(hook: CoachviewHook, rows: list[dict[str, Any]]) -> dict[str, bool] | Finding:
    """Give which codes (in lower case) are confidential: from the rows, else from Coachview's list for one person."""
    flags = {code: secret for row in rows for code, secret in definitions(row).items()}
    holder = next((row for row in rows if free_codes(row)), None)
    if flags or holder is None:
        return flags
    try:
        return hook.confidential_fields(str(holder.get("id") or ""))
    except CoachviewError as error:
        return Finding(
            Level.WARNING,
            "free_field_list",
            f"Which free fields are confidential cannot be found out: {error}",
            "A run refuses free fields of which that is not known; name those that are not confidential in the connection's "
            "field 'public_free_fields'.",
        )


def _wanted_field(hook: CoachviewHook, code: str, seen: set[str], flags: dict[str, bool]) -> Finding:
    lower = code.lower()
    vouched = lower in {one.lower() for one in hook.settings.public_free_fields}
    if flags.get(lower):
        return Finding(
            Level.ERROR,
            "free_field_confidential",
            f"Free field {code} is confidential (vertrouwelijk) and is never sent to Moodle.",
            "Take it out of the mapping, or make it not confidential in Coachview.",
        )
    if lower not in seen:
        return Finding(
            Level.WARNING,
            "free_field_unseen",
            f"Free field {code} is on none of the persons looked at.",
            "Compare the code with Coachview's settings for free fields.",
        )
    if lower not in flags and not vouched:
        return Finding(
            Level.ERROR,
            "free_field_unproven",
            f"Nothing tells whether free field {code} is confidential.",
            "If it is not, name it in the connection's field 'public_free_fields'.",
        )
    return Finding(Level.OK, "free_field", f"Free field {code} is there and not confidential.")
