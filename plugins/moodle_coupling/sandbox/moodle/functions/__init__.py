"""The web service functions the sandbox Moodle knows, one module each."""

from __future__ import annotations
