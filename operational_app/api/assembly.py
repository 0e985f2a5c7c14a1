"""The REST API, assembled: its areas, its problems, its document. Mounted by `operational_app.main` as ApiMount."""

from __future__ import annotations

import logging
import re
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount

from operational_app.api import document
from operational_app.api.operations import RIGHT
from operational_app.codes import api as codes
from operational_app.codes.service import CodeTaken
from operational_app.elders import api as elders
from operational_app.identity import api as identity
from operational_app.identity.administration import Overtaken, Refused, Stale
from operational_app.institutions import api as institutions
from operational_app.joining import api as joining
from operational_app.organizations import api as organizations
from operational_app.web.gate import API_PATH
from operational_app.web.problems import FieldProblem, Problem, documented, problem
from operational_app.workbench import api as workbench

_log = logging.getLogger("huiyang.app")
ROUTERS = (
    identity.router,
    joining.router,
    workbench.router,
    codes.router,
    organizations.router,
    institutions.router,
    elders.router,
    document.router,
)
_STALE = "该记录刚被他人修改，请重新读取后再试。"
#: Pydantic's errors in Chinese; {…} is filled from the error's context.
_MESSAGES = {
    "missing": "缺少必填项",
    "extra_forbidden": "没有这个字段",
    "int_parsing": "应为整数",
    "int_type": "应为整数",
    "int_from_float": "应为整数",
    "bool_type": "应为 true 或 false",
    "string_type": "应为文本",
    "string_too_long": "不能超过 {max_length} 个字",
    "string_too_short": "不能少于 {min_length} 个字",
    "string_pattern_mismatch": "含有不允许的字符",
    "greater_than_equal": "不能小于 {ge}",
    "less_than_equal": "不能大于 {le}",
    "enum": "不是允许的值",
    "literal_error": "不是允许的值",
    "uuid_parsing": "应为 UUID",
    "list_type": "应为列表",
    "too_long": "不能超过 {max_length} 项",
    "too_short": "不能少于 {min_length} 项",
    "decimal_max_places": "最多 {decimal_places} 位小数",
    "decimal_parsing": "应为数字",
    "model_attributes_type": "应为 JSON 对象",
}


class ApiMount(Mount):
    """The API at API_PATH: every address below it, also one with a line break, at which Starlette's pattern stops."""

    def __init__(self) -> None:
        super().__init__(API_PATH, make_api())
        self.path_regex = re.compile(self.path_regex.pattern, re.DOTALL)


def make_api() -> FastAPI:
    """
    Raises:
        RuntimeError: an operation that needs no right; what is open to everybody signed in needs the workbench's.
    """
    api = FastAPI(
        title="湛江慧养接口", version="1", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False,
        responses=documented(),
    )  # fmt: skip
    for router in ROUTERS:
        api.include_router(router)
    for route in api.routes:
        if isinstance(route, APIRoute) and not (route.openapi_extra or {}).get(RIGHT):
            raise RuntimeError(f"{route.path} declares no right")
    api.add_exception_handler(HTTPException, _on_http_error)
    api.add_exception_handler(RequestValidationError, _on_bad_request)
    api.add_exception_handler(Refused, _on_refusal)
    api.add_exception_handler(CodeTaken, _on_refusal)
    api.add_exception_handler(Exception, _on_failure)
    api.openapi = lambda: _openapi(api)  # type: ignore[method-assign]
    return api


def _openapi(api: FastAPI) -> dict[str, Any]:
    """The document, made once."""
    if api.openapi_schema is None:
        found = get_openapi(
            title=api.title, version=api.version, routes=api.routes, servers=[{"url": API_PATH}],
            description="与页面相同的业务操作、权限和数据范围。说明见 docs/api.md。",
        )  # fmt: skip
        schemas = found.setdefault("components", {}).setdefault("schemas", {})
        told = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= told.pop("$defs", {}) | {"Problem": told}
        found["components"]["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "description": "本平台 OpenID 的访问令牌，范围 api"},
            "session": {
                "type": "apiKey", "in": "cookie", "name": "__Host-huiyang-session",
                "description": "登录后的会话；修改数据的请求另需 X-CSRFToken（见 GET /me）",
            },
        }  # fmt: skip
        found["security"] = [{"token": []}, {"session": []}]
        api.openapi_schema = found
    return api.openapi_schema


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    is_ours = bool(error.detail) and not str(error.detail).isascii()
    return problem(error.status_code, str(error.detail) if is_ours else None, headers=error.headers)


async def _on_bad_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = error.errors()
    if any(found["type"] == "json_invalid" for found in errors):
        return problem(400)
    return problem(422, errors=[FieldProblem(field=_place(found), message=_message(found)) for found in errors])


def _place(error: dict[str, Any]) -> str:
    return ".".join(str(part) for part in error["loc"])


def _message(error: dict[str, Any]) -> str:
    kind = error["type"]
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind.startswith("date"):
        return "日期应为 YYYY-MM-DD"
    return _MESSAGES.get(kind, "不符合要求").format(**error.get("ctx", {}))


async def _on_refusal(request: Request, error: Exception) -> Response:
    if isinstance(error, Stale):
        return problem(409, _STALE)
    return problem(409 if isinstance(error, (Overtaken, CodeTaken)) else 422, str(error))


async def _on_failure(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed: %s", request.method, request.url.path, type(error).__name__)
    return problem(503 if isinstance(error, OperationalError) else 500)
