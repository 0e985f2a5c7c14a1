"""What a user is told when something does not work: in Chinese, with what to do, without what went wrong inside."""

from __future__ import annotations

import logging

from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from operational_app.web.gate import is_navigation
from operational_app.web.services import page

_log = logging.getLogger("huiyang.app")
_TEXTS = {
    400: ("请求有误", "请返回上一页检查填写的内容。"),
    403: ("没有权限", "您的角色不能打开这个页面或执行这个操作。如确有需要，请联系系统管理员。"),
    404: ("没有找到", "页面或记录不存在，或者不在您的管辖范围内。"),
    405: ("不支持这个操作", "请从页面上的按钮或链接进入。"),
    429: ("访问过于频繁", "请一分钟后再试。"),
    413: ("内容过大", "提交的内容超出了允许的大小。"),
    500: ("系统出错", "问题已记录，请稍后重试；如反复出现，请联系系统管理员。"),
    503: ("系统繁忙", "数据库暂时没有响应，请稍后重试。"),
}


def error_page(request: Request, status: int, advice: str | None = None) -> Response:
    """The page (for a script: JSON) of a status; `advice` replaces the usual one."""
    title, usual_advice = _TEXTS.get(status, _TEXTS[500 if status >= 500 else 400])
    advice = advice or usual_advice
    if not is_navigation(request):
        return JSONResponse({"detail": advice}, status_code=status)
    template = "error.html" if getattr(request.state, "actor", None) else "error_outside.html"
    return page(request, template, status, status=status, title=title, advice=advice)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Handler of HTTPException; a Chinese detail is shown, the framework's English one is not."""
    assert isinstance(error, HTTPException)
    is_ours = bool(error.detail) and not str(error.detail).isascii()
    return error_page(request, error.status_code, str(error.detail) if is_ours else None)


async def on_failure(request: Request, error: Exception) -> Response:
    """Handler of everything else. The traceback goes to the log (by the server), the path without its query here."""
    _log.error("%s %s failed: %s", request.method, request.url.path, type(error).__name__)
    return error_page(request, 503 if isinstance(error, OperationalError) else 500)
