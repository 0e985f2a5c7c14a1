"""Errors of the REST API: problem details by RFC 9457, in Chinese, with the field where one is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: ("请求有误", "请求的内容不是有效的 JSON，或者不能解析。"),
    401: ("未登录", "请登录，或者携带有效的访问令牌。"),
    403: ("没有权限", "您的角色不能执行这个操作。"),
    404: ("没有找到", "记录不存在，或者不在您的管辖范围内。"),
    405: ("不支持这个操作", "这个地址不支持这种请求方法。"),
    409: ("与他人的操作冲突", "记录刚被他人修改，请重新读取后再试。"),
    413: ("内容过大", "提交的内容超出了允许的大小。"),
    422: ("内容不符合要求", "请按提示修改后重试。"),
    429: ("操作过于频繁", "请稍后再试。"),
    500: ("系统出错", "问题已记录，请稍后重试。"),
    503: ("系统繁忙", "数据库暂时没有响应，请稍后重试。"),
}


class FieldProblem(BaseModel):
    field: str = Field(description="出错的位置，例如 body.bed_id、query.limit")
    message: str = Field(description="原因")


class Problem(BaseModel):
    """RFC 9457 问题详情。"""

    type: str = Field("about:blank", description="问题类型，没有专门说明时为 about:blank")
    title: str = Field(description="问题的名称")
    status: int = Field(description="HTTP 状态码")
    detail: str = Field(description="具体原因和处理办法")
    errors: list[FieldProblem] = Field(default_factory=list, description="各个字段的问题")


def problem(
    status: int,
    detail: str | None = None,
    errors: Iterable[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The answer that tells of a problem; `detail` replaces the usual advice."""
    title, advice = TITLES.get(status, TITLES[500 if status >= 500 else 400])
    found = Problem(title=title, status=status, detail=detail or advice, errors=list(errors))
    more = {"www-authenticate": "Bearer"} if status == 401 else {}
    return JSONResponse(found.model_dump(), status, {**more, **(headers or {})}, media_type=MEDIA_TYPE)


def documented() -> dict[int | str, dict[str, Any]]:
    """Every problem that any operation may answer, for the document."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": title, "content": content} for status, (title, _) in TITLES.items()}
