"""Receipts: for programs, as text, for ESC/POS printers, as PDF."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from daozhang.api.problem import Problem
from daozhang.api.routes import Asked, Door, answer, language_of
from daozhang.core.ids import ULID_LENGTH
from daozhang.devices import escpos, receipt
from daozhang.devices.pdf import pdf
from daozhang.flow.house import House

_FORMS = ("", ".txt", ".escpos", ".pdf")


class ReceiptDoors:
    """``page``: the address of the payer's page of a payment."""

    def __init__(self, house: House, page: Callable[[Request, str], str]) -> None:
        self._house, self._page = house, page

    def doors(self) -> list[Door]:
        return [
            Door("GET", "/v1/receipts/{id}", self.get, "小票:编号后加 .txt .escpos .pdf", "a receipt: the id with .txt, .escpos or .pdf",
                 "payments:read", query=("paper", "lang")),
        ]  # fmt: skip

    async def get(self, asked: Asked) -> Response:
        ident, dot, form = asked.path("id").partition(".")
        paper = {"": 58, "58": 58, "80": 80}.get(asked.query("paper"))
        lang = asked.query("lang") or language_of(asked.request)
        if dot + form not in _FORMS:
            raise Problem("not_found")
        if paper is None or lang not in ("zh", "en"):
            raise Problem("bad_query", "paper is 58 or 80, lang is zh or en")
        well_formed = ident.startswith("pay_") and len(ident) == 4 + ULID_LENGTH
        payment = await self._house.store.payment(ident) if well_formed else None
        if payment is None or payment.merchant != asked.merchant or payment.livemode != asked.caller.key.livemode:
            raise Problem("not_found")
        merchant = await self._house.directory.merchant(payment.merchant)
        shop = await self._house.directory.shop(payment.merchant, payment.store)
        made = receipt.receipt_of(payment, merchant.name if merchant else "", shop.name if shop else "",
                                  self._house.clock.now_ms(), lang, self._page(asked.request, payment.id))  # fmt: skip
        headers = {"Cache-Control": "no-store"}
        if form == "txt":
            return Response(receipt.text_of(made, receipt.COLUMNS[paper]), 200, headers, "text/plain; charset=utf-8")
        if form == "escpos":
            return Response(escpos.printed(made, paper), 200, headers, "application/octet-stream")
        if form == "pdf":
            return Response(pdf(made, paper), 200, headers, "application/pdf")
        return answer({"object": "receipt", "payment": payment.id, "slip": made.slip, "lang": lang, "paper_mm": paper,
                       "rows": receipt.pictured(made.rows), "qr": made.qr,
                       "text": receipt.text_of(made, receipt.COLUMNS[paper])}, 200, headers)  # fmt: skip
