"""Runs in its own process, with python-alipay-sdk first on its path (it is called `alipay`, as the official one is).

Reads one line of JSON from standard input, does the whole story once per mode, and writes what it saw.
"""

import http.server
import json
import sys
import threading
from typing import Any
from urllib.parse import parse_qsl

from alipay import AliPay, DCAliPay, ISVAliPay  # type: ignore[attr-defined,import-untyped,unused-ignore]


class Ear(http.server.BaseHTTPRequestHandler):
    """Takes notifies as a merchant would."""

    heard: dict[str, dict[str, str]] = {}
    came = threading.Condition()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        fields = dict(parse_qsl(body, keep_blank_values=True))
        with self.came:
            self.heard[fields["out_trade_no"]] = fields
            self.came.notify_all()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"success")

    def log_message(self, *given: Any) -> None: ...

    @classmethod
    def wait_for(cls, number: str) -> dict[str, str]:
        with cls.came:
            assert cls.came.wait_for(lambda: number in cls.heard, 30)
            return dict(cls.heard[number])


def client(mode: str, given: dict[str, Any], notify_url: str) -> Any:
    own = {"app_private_key_string": given["app_private_key_pkcs1"], "app_notify_url": notify_url}
    if mode == "certificate":
        made = DCAliPay(given["app_id"], app_public_key_cert_string=given["app_certificate"],
                        alipay_public_key_cert_string=given["alipay_certificate"],
                        alipay_root_cert_string=given["alipay_root_certificate"], **own)  # fmt: skip
    elif mode == "partner":
        made = ISVAliPay(given["partner_app_id"], alipay_public_key_string=given["alipay_public_key"],
                         app_auth_token=given["app_auth_token"], **own)  # fmt: skip
    else:
        made = AliPay(given["app_id"], alipay_public_key_string=given["alipay_public_key"], **own)
    made._gateway = given["gateway"]
    if mode == "partner":
        again = made.api_alipay_open_auth_token_app(given["app_refresh_token"])
        assert again["app_auth_token"] == given["app_auth_token"]
    return made


def story(sdk: Any, number: str, codes: list[str]) -> dict[str, Any]:
    """The client raises when a signature of a reply does not hold."""
    paid = sdk.api_alipay_trade_pay(f"{number}A", "bar_code", codes[0], "测试商品", total_amount="12.50")
    queried = sdk.api_alipay_trade_query(out_trade_no=f"{number}A")
    refunded = sdk.api_alipay_trade_refund("2.50", out_trade_no=f"{number}A", out_request_no="R1")
    asked = sdk.api_alipay_trade_fastpay_refund_query("R1", out_trade_no=f"{number}A")
    typing = sdk.api_alipay_trade_pay(f"{number}B", "bar_code", codes[1], "x", total_amount="1.00")
    undone = sdk.api_alipay_trade_cancel(out_trade_no=f"{number}B")
    shown = sdk.api_alipay_trade_precreate("x", f"{number}C", "8.80")
    plate = sdk.api_alipay_trade_create("x", f"{number}D", "8.80", buyer_id="2088123412341234")
    notify = Ear.wait_for(f"{number}A")
    signature = notify.pop("sign")
    forged = sdk.verify({**notify, "total_amount": "0.01"}, signature)
    believed = sdk.verify(notify, signature)
    nobody = sdk.api_alipay_trade_query(out_trade_no="SDKnobody")
    return {
        "paid": paid["code"], "state": queried["trade_status"], "refunded": refunded["fund_change"], "refund": asked["refund_status"],
        "typing": typing["code"], "undone": undone["action"], "qr": shown["qr_code"][:22], "plate": len(plate["trade_no"]),
        "notify": [notify["trade_status"], notify["app_id"], believed, forged], "nobody": nobody["sub_code"],
    }  # fmt: skip


def main() -> None:
    given = json.loads(sys.stdin.readline())
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ear)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/notify"
    told = {mode: story(client(mode, given["alipay"], url), f"{given['number']}{mode[0].upper()}", codes)
            for mode, codes in given["codes"].items()}  # fmt: skip
    print(json.dumps(told))


if __name__ == "__main__":
    main()
