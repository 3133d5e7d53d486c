"""The hook of a Moodle; ``moodle_coupling.hooks.moodle.MoodleHook`` is what connections of type ``moodle`` name."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """Give the hook when it is asked for: whoever needs only its words does not import requests."""
    if name == "MoodleHook":
        from moodle_coupling.hooks.moodle.hook import MoodleHook

        return MoodleHook
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
