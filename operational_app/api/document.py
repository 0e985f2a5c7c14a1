"""The API's own description: as OpenAPI for programs, as a page for people. The page needs no script."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse

from operational_app.api.operations import RIGHT, needs, operations
from operational_app.identity.access import Resource
from operational_app.web.services import page, session

router = operations("接口说明")
_METHODS = ("get", "post", "put", "delete")


@router.get("/openapi.json", summary="OpenAPI 文档", response_class=JSONResponse, **needs(Resource.API))
def document(request: Request) -> JSONResponse:
    return JSONResponse(request.app.openapi())


@router.get("/docs", include_in_schema=False, **needs(Resource.API))
def document_page(request: Request) -> HTMLResponse:
    told = request.app.openapi()
    areas: dict[str, list[dict[str, Any]]] = {}
    for path, methods in told["paths"].items():
        for method in _METHODS:
            if method in methods:
                areas.setdefault(methods[method]["tags"][0], []).append(
                    {"method": method.upper(), "path": path, "right": methods[method][RIGHT], **_parts(methods[method])}
                )
    return page(
        request, "api/docs.html", title="接口文档", areas=areas, schemas=_schemas(told), session=session(request),
        address=told["servers"][0]["url"],
    )  # fmt: skip


def _parts(operation: dict[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    answers = [
        (status, _type(answer.get("content", {}).get("application/json", {}).get("schema", {})))
        for status, answer in operation["responses"].items()
        if status.startswith("2")
    ]
    return {
        "summary": operation.get("summary", ""), "description": operation.get("description", ""),
        "parameters": [
            (part["name"], part["in"], part["required"], _type(part["schema"]), part.get("description", ""))
            for part in operation.get("parameters", [])
        ],
        "body": _type(body) if body else None, "answers": answers,
    }  # fmt: skip


def _schemas(told: dict[str, Any]) -> dict[str, list[tuple[str, str, bool, str]]]:
    """Name → (field, type, required, description)."""
    return {
        name: [
            (field, _type(part), field in schema.get("required", ()), part.get("description", ""))
            for field, part in schema["properties"].items()
        ]
        for name, schema in sorted(told["components"]["schemas"].items())
        if "properties" in schema
    }


def _type(schema: dict[str, Any]) -> str:
    """A schema in few words: integer, a name of another schema, list of …, values of a closed list."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if alternatives := schema.get("anyOf"):
        return " | ".join(dict.fromkeys(_type(part) for part in alternatives))
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"[{_type(schema.get('items', {}))}]"
    return str(schema.get("format") or schema.get("type") or "any")
