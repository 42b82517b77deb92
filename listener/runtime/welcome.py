"""The first start of an install: somebody must be able to log in."""

from __future__ import annotations

from listener.runtime.clock import utc_now
from listener.runtime.wiring import Services
from listener.store import access

ADMINISTRATOR = "admin@localhost"


def first_login(services: Services) -> str | None:
    """A one-time login link for the administrator, while nobody has set a password; else None."""
    now = utc_now()
    with services.database.write() as work:
        users = access.list_users(work.session)
        if any(user.has_password for user in users):
            return None
        user = next(iter(users), None) or access.add_user(
            work.session,
            ADMINISTRATOR,
            name="Administrator",
            language=services.settings.language,
            now=now,
        )
        token = access.add_login_link(work.session, user.id, now=now)
        work.commit()
    return services.login_url(token)
