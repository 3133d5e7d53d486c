"""Text can be read, and borders be seen, in both themes (WCAG 2, AA)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from moodle_coupling import web

WEB = Path(web.__file__).parent


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


GROUNDS = ("ground", "surface", "raised")
TONES = ("good", "info", "warn", "bad")
PAIRS = [
    *((text, ground) for text in ("text", "muted", "link") for ground in GROUNDS),
    *((tone, f"{tone}-ground") for tone in TONES),
    *(("text", f"{tone}-ground") for tone in TONES),
    *(("link", f"{tone}-ground") for tone in ("warn", "bad")),
    ("bad", "surface"),
    ("bad", "raised"),
    ("on-accent", "accent"),
    ("text", "mark"),
]


class TestContrast:
    @pytest.fixture
    def colours(self):
        style = (WEB / "base" / "static" / "app.css").read_text()
        both = re.findall(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", style)
        plain = re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", style)
        return {name: (light, dark) for name, light, dark in both} | {name: (same, same) for name, same in plain}

    @pytest.mark.parametrize(("text", "ground"), PAIRS)
    @pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
    def test_text_can_be_read(self, colours, text, ground, theme):
        assert contrast(colours[text][theme], colours[ground][theme]) >= 4.5

    @pytest.mark.parametrize(
        "line", ["line-strong", "focus", "bar-created", "bar-updated", "bar-rejected", "bar-failed"]
    )
    @pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
    def test_borders_of_fields_and_bars_can_be_seen(self, colours, line, theme):
        assert contrast(colours[line][theme], colours["surface"][theme]) >= 3
