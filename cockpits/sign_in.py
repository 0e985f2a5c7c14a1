"""Who somebody is: the front door asks the operational app and passes the answer in headers."""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING

from flask import Request, current_app, g, redirect
from flask_appbuilder import expose
from flask_appbuilder.security.sqla.models import PermissionView, User
from flask_appbuilder.security.views import AuthView
from superset.security import SupersetSecurityManager
from werkzeug.wrappers import Response

from cockpits.policies import superset_roles_of

if TYPE_CHECKING:
    from superset.connectors.sqla.models import BaseDatasource

USER_HEADER, ROLES_HEADER, SECRET_HEADER = "X-Huiyang-User", "X-Huiyang-Roles", "X-Front-Door"
_USERNAME = re.compile(r"[\w.@-]{1,64}")


class FrontDoorAuthView(AuthView):
    """Signing in and out happens at the app."""

    route_base = "/login"

    @expose("/")
    def login(self) -> Response:
        return redirect("/")

    @expose("/logout")
    def logout(self) -> Response:
        return redirect("/")


class FrontDoorSecurityManager(SupersetSecurityManager):
    """Every request says anew who asks: no session here outlives the app's, a revoked role is gone at once."""

    def register_views(self) -> None:
        """None of Superset's pages and interfaces for accounts, passwords and tokens; only the way to the app."""
        # Superset's own method imports this on the way, and what comes next relies on it.
        import superset.views.base  # noqa: F401

        self.auth_view = self.appbuilder.add_view_no_menu(FrontDoorAuthView)

    def request_loader(self, request: Request) -> User | None:
        """The user that the front door names, made or brought up to date; None for a request that bypassed it."""
        expected = current_app.config["FRONT_DOOR_SECRET"].encode()
        if not hmac.compare_digest(request.headers.get(SECRET_HEADER, "").encode(), expected):
            return None
        username = request.headers.get(USER_HEADER, "")
        if not _USERNAME.fullmatch(username):
            return None
        if g.get("names_user"):  # making a user asks who makes it
            return None
        g.names_user = True
        rights = [right.strip() for right in request.headers.get(ROLES_HEADER, "").split(",")]
        names = sorted({name for right in rights for name in superset_roles_of(right)})
        try:
            return self._user_with_roles(username, names)
        finally:
            g.names_user = False

    def _user_with_roles(self, username: str, role_names: list[str]) -> User | None:
        roles = [role for role in map(self.find_role, role_names) if role]
        user = self.find_user(username=username)
        if user is None:
            # Superset asks for a name and an address; the person's own stay in the app.
            user = self.add_user(username, username, "", f"{username}@localhost", roles)
            # Two requests of a new user at once: one of them finds the name taken.
            return user or self.find_user(username=username)
        if {role.name for role in user.roles} != set(role_names):
            user.roles = roles
            self.update_user(user)
        return user if user.is_active else None

    def _is_admin_pvm(self, pvm: PermissionView) -> bool:
        """What `Admin` gets at set-up, and so what its pages offer."""
        is_withheld = pvm.permission.name in current_app.config["WITHHELD_PERMISSIONS"]
        return not is_withheld and super()._is_admin_pvm(pvm)

    def _has_view_access(self, user: object, permission_name: str, view_name: str) -> bool:
        """Whatever role somebody gives themselves in Superset, what is withheld stays withheld."""
        if permission_name in current_app.config["WITHHELD_PERMISSIONS"]:
            return False
        return bool(super()._has_view_access(user, permission_name, view_name))

    def get_rls_cache_key(self, datasource: BaseDatasource) -> list[str]:
        """Keeps results under the release that they came from: after a publish or a rollback nothing stale is shown."""
        from cockpits.release import current_release

        return [*super().get_rls_cache_key(datasource), f"release:{current_release()}"]
