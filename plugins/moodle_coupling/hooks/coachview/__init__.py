"""The hook of a Coachview; ``moodle_coupling.hooks.coachview.CoachviewHook`` is what connections of type ``coachview`` name."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """Give the hook when it is asked for: whoever needs only its words does not import requests."""
    if name == "CoachviewHook":
        from moodle_coupling.hooks.coachview.hook import CoachviewHook

        return CoachviewHook
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
