"""Refunds: full, partial, several; the answer says how far each has come."""

from starlette.responses import Response

from daozhang.api.auth import Guard
from daozhang.api.payments import key_of, no_repeat
from daozhang.api.problem import Problem
from daozhang.api.routes import Asked, Door, answer
from daozhang.api.shapes import NewRefund
from daozhang.core.faults import KeyUsed
from daozhang.core.ids import ULID_LENGTH
from daozhang.core.payment import Payment
from daozhang.core.refund import UNDER_WAY, Refund, RefundKind
from daozhang.flow import refund as flow
from daozhang.flow.house import House
from daozhang.flow.tell import refund_picture


class Refunds:
    """The doors of refunds over the flow."""

    def __init__(self, house: House, guard: Guard) -> None:
        self._house, self._guard = house, guard

    def doors(self) -> list[Door]:
        return [
            Door(
                "POST",
                "/v1/refunds",
                self.create,
                "退款",
                "give money back",
                "refunds:write",
                NewRefund,
                True,
                True,
                (201, 202),
            ),
            Door(
                "GET",
                "/v1/refunds",
                self.list,
                "退款列表",
                "list refunds",
                "payments:read",
                query=("payment", "cursor", "limit"),
            ),
            Door("GET", "/v1/refunds/{id}", self.get, "一笔退款", "one refund", "payments:read"),
        ]

    async def create(self, asked: Asked) -> Response:
        wanted: NewRefund = asked.body
        key = key_of(asked)
        payment = await self._payment(asked, wanted.payment)
        wait_ms = round(wanted.wait_s * 1000)
        try:
            refund = await flow.begin(
                self._house, payment, wanted.amount, RefundKind.REFUND, wanted.reason, key, wait_ms
            )
        except (flow.OverRefund, flow.NotRefundable):
            known = await self._house.store.key(asked.merchant, key.key)
            if known is None:
                raise
            return await self._again(asked, KeyUsed(known[1], known[0].fingerprint), key)
        except KeyUsed as used:
            return await self._again(asked, used, key)
        return self._tell_of(refund, {})

    async def _again(self, asked: Asked, used: KeyUsed, key: object) -> Response:
        no_repeat(used, key)  # type: ignore[arg-type]
        return self._tell_of(await self._mine(asked, used.made), {"Idempotent-Replayed": "true"})

    def _tell_of(self, refund: Refund, headers: dict[str, str]) -> Response:
        waiting = refund.state in UNDER_WAY
        return answer(
            refund_picture(refund), 202 if waiting else 201, {**headers, "Location": f"/v1/refunds/{refund.id}"}
        )

    async def _payment(self, asked: Asked, payment_id: str) -> Payment:
        payment = await self._house.store.payment(payment_id)
        if payment is None or payment.merchant != asked.merchant or payment.livemode != asked.caller.key.livemode:
            raise Problem("not_found", "payment")
        return payment

    async def _mine(self, asked: Asked, refund_id: str) -> Refund:
        well_formed = refund_id.startswith("rfd_") and len(refund_id) == 4 + ULID_LENGTH
        refund = await self._house.store.refund(refund_id) if well_formed else None
        if refund is None or refund.merchant != asked.merchant:
            raise Problem("not_found")
        await self._payment(asked, refund.payment)
        return refund

    async def list(self, asked: Asked) -> Response:
        cursor = asked.query("cursor")
        if cursor and not (cursor.startswith("rfd_") and len(cursor) == 30):
            raise Problem("bad_cursor")
        page = await self._house.reading.refunds(
            asked.merchant, payment=asked.query("payment"), cursor=cursor, limit=asked.limit()
        )
        return answer({"data": [refund_picture(row) for row in page.rows], "has_more": page.has_more,
                       "next_cursor": page.next_cursor or None})  # fmt: skip

    async def get(self, asked: Asked) -> Response:
        return answer(refund_picture(await self._mine(asked, asked.path("id"))))
