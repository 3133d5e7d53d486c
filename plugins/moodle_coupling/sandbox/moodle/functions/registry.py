"""Which web service functions there are: their parameters, their answer, their code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moodle_coupling.sandbox.moodle import user_fields
from moodle_coupling.sandbox.moodle.functions import site_info
from moodle_coupling.sandbox.moodle.functions.create_users import create_users
from moodle_coupling.sandbox.moodle.functions.delete_users import delete_users
from moodle_coupling.sandbox.moodle.functions.reading import get_users, get_users_by_field
from moodle_coupling.sandbox.moodle.functions.update_users import update_users

if TYPE_CHECKING:
    from collections.abc import Callable

    from moodle_coupling.sandbox.moodle.context import Context
    from moodle_coupling.sandbox.moodle.descriptions import Description, Structure


@dataclass(frozen=True)
class Function:
    """One web service function. ``returns`` is None where Moodle answers ``null``."""

    run: Callable[[Context, dict[str, Any]], Any]
    parameters: Structure
    returns: Description | None
    writes: bool


FUNCTIONS: dict[str, Function] = {
    "core_webservice_get_site_info": Function(
        site_info.get_site_info, site_info.PARAMETERS, site_info.ANSWER, writes=False
    ),
    "core_user_create_users": Function(create_users, user_fields.CREATE_PARAMETERS, user_fields.CREATED, writes=True),
    "core_user_update_users": Function(update_users, user_fields.UPDATE_PARAMETERS, user_fields.UPDATED, writes=True),
    "core_user_get_users": Function(
        get_users, user_fields.GET_USERS_PARAMETERS, user_fields.USERS_AND_WARNINGS, writes=False
    ),
    "core_user_get_users_by_field": Function(
        get_users_by_field, user_fields.BY_FIELD_PARAMETERS, user_fields.USERS, writes=False
    ),
    "core_user_delete_users": Function(delete_users, user_fields.DELETE_PARAMETERS, None, writes=True),
}
