"""What a source remembers from one good run to the next, as a text that only counts for the settings it was made with."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moodle_coupling.mapping import AnySource

_DOES_NOT_MATTER: Final = frozenset(
    {"name", "without", "stale", "max_age_hours", "overlap_minutes", "chunk_size", "count"}
)
"""Settings that change neither who is read nor what is read of them."""


def seal(settings: AnySource, remembered: Mapping[str, str]) -> str:
    """Return what is to be remembered as a watermark."""
    return json.dumps({"of": _digest(settings), **remembered})


def unseal(settings: AnySource, watermark: str) -> dict[str, str]:
    """Return what was remembered; empty when there is nothing, or the settings have changed since.

    With other settings, such as one column more, what an earlier run has seen says nothing: everyone is read again.
    """
    try:
        found = json.loads(watermark) if watermark else {}
    except ValueError:
        return {}
    if not isinstance(found, dict) or found.pop("of", None) != _digest(settings):
        return {}
    return {str(name): str(value) for name, value in found.items()}


def _digest(settings: AnySource) -> str:
    said = settings.model_dump(mode="json", exclude=set(_DOES_NOT_MATTER))
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
