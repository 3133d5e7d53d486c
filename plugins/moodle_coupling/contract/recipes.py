"""The recipes of usernames, one row each: what a username is made of, and what that says about whose it is.

A new recipe is a name in ``UsernameRecipe``, a row in ``RECIPES``, and its name in README.md; a part that is neither a column
nor made of one by people/usernames.py is written there too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class UsernameRecipe(StrEnum):
    """How a username is made."""

    EMAIL = "email"
    FIRST_INFIX_LAST = "first_infix_last"
    INITIALS_INFIX_LAST = "initials_infix_last"
    INITIAL_INFIX_LAST = "initial_infix_last"
    EXTERN_ID = "extern_id"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is known of one recipe.

    ``parts``: what the username is made of, in order. ``lastname`` is the surname without particles; ``initial`` is the first
    letter of the initials or, where there are none, of the first name. ``columns``: columns that a source must bring for it.
    ``needs``: the part without which a person gets no username, and is told so by the rule ``<part>_missing``; '' where any will
    do. ``identifies``: the username says whose it is, so that an account that has it is a question; one made of a name does not.
    """

    parts: tuple[str, ...]
    columns: tuple[str, ...] = ()
    needs: str = ""
    identifies: bool = False


RECIPES: Final[Mapping[UsernameRecipe, Recipe]] = {
    UsernameRecipe.EMAIL: Recipe(("email",), identifies=True),
    UsernameRecipe.FIRST_INFIX_LAST: Recipe(("firstname", "infix", "lastname")),
    UsernameRecipe.INITIALS_INFIX_LAST: Recipe(
        ("initials", "infix", "lastname"), columns=("initials",), needs="initials"
    ),
    UsernameRecipe.INITIAL_INFIX_LAST: Recipe(("initial", "infix", "lastname"), columns=("initials",)),
    UsernameRecipe.EXTERN_ID: Recipe(("extern_id",), columns=("extern_id",), needs="extern_id", identifies=True),
}
"""Every recipe, in the order of ``UsernameRecipe``."""
