"""`Idempotency-Key`: a request that is sent again, because its answer was lost, is answered again and not done again.

The key's row is written in the transaction of the act. A second request with the key waits for the first at the unique
index; if the first is refused, its row goes with it and the second does the act.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from anyio.to_thread import run_sync
from fastapi import Header
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from starlette.requests import Request
from starlette.responses import Response

from huiyang.field_crypto import row_context
from operational_app.api.models import IdempotencyKey
from operational_app.identity.administration import Overtaken, Refused
from operational_app.identity.sessions import AS_IDENTITY
from operational_app.web.database import ScopedSession
from operational_app.web.services import actor, now, services, session

#: A key is good for at least so long.
KEPT_FOR = timedelta(hours=48)
_REMOVED_AT_ONCE = 200
_TABLE = "identity.idempotency_key"
REPLAYED = "idempotency-replayed"


class AlreadyDone(Exception):
    """The request was done before; `answer` is what was answered then."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


@dataclass(frozen=True)
class Once:
    """An act under a key, whose answer is to be kept."""

    request: Request
    key: UUID
    operation: str
    body_sha256: bytes

    def begin(self) -> None:
        """
        Raises:
            AlreadyDone: with the answer of the first time.
            Refused: the key was used for something else.
        """
        with services(self.request).database.transaction(AS_IDENTITY) as cleaning:
            _remove_old(cleaning)
        found = self._row()
        if (found.operation, bytes(found.body_sha256)) != (self.operation, self.body_sha256):
            raise Refused("这个 Idempotency-Key 已用于另一个请求，请为新的请求换一个。")
        if found.answer_cipher is not None and found.status is not None:
            context = row_context(_TABLE, "answer_cipher", found.id)
            kept = json.loads(services(self.request).crypto.decrypt(found.answer_cipher, context))
            headers = (
                {"content-type": kept["media_type"], REPLAYED: "true"} if kept["media_type"] else {REPLAYED: "true"}
            )
            raise AlreadyDone(Response(kept["body"], found.status, headers))

    def end(self, answer: Response) -> None:
        """Keeps the answer.

        Raises:
            Overtaken: the act had to begin its transaction anew, and another request with the key was faster.
        """
        found = self._row()
        if found.status is not None:
            raise Overtaken("相同的请求刚刚已经办理，请重新读取后核对。")
        kept = {"body": bytes(answer.body).decode(), "media_type": answer.headers.get("content-type")}
        cipher = services(self.request).crypto.encrypt(
            json.dumps(kept), row_context(_TABLE, "answer_cipher", found.id)
        )  # fmt: skip
        session(self.request).execute(
            update(IdempotencyKey)
            .where(IdempotencyKey.id == found.id)
            .values(status=answer.status_code, answer_cipher=cipher)
            .execution_options(synchronize_session=False)
        )

    def _row(self) -> IdempotencyKey:
        """The key's row, made if there is none; waits for another transaction that makes it."""
        work, who = session(self.request), actor(self.request)
        row = insert(IdempotencyKey).values(
            account_id=who.account_id, key=self.key, operation=self.operation, body_sha256=self.body_sha256,
            made_at=now(),
        )  # fmt: skip
        work.execute(row.on_conflict_do_nothing())
        mine = select(IdempotencyKey).where(IdempotencyKey.account_id == who.account_id, IdempotencyKey.key == self.key)
        return work.scalars(mine.execution_options(populate_existing=True)).one()


async def once(
    request: Request,
    idempotency_key: Annotated[
        UUID | None, Header(description="UUID；同一请求重发时使用同一个值，不会重复办理。保留 48 小时。")
    ] = None,
) -> None:
    """A dependency of operations that make something."""
    if idempotency_key is None:
        return
    found = Once(request, idempotency_key, f"{request.method} {request.url.path}", request.state.body_sha256)
    await run_sync(found.begin)
    request.state.once = found


def _remove_old(work: ScopedSession) -> None:
    """Removes some keys that are no longer good, whosever they are.

    Args:
        work: under AS_IDENTITY.
    """
    old = (
        select(IdempotencyKey.id)
        .where(IdempotencyKey.made_at < now() - KEPT_FOR)
        .limit(_REMOVED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    work.execute(delete(IdempotencyKey).where(IdempotencyKey.id.in_(old)).execution_options(synchronize_session=False))
