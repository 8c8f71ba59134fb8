"""A second client of the REST wire, written from the documents alone: openssl signs and verifies, nothing of ours is used."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from daozhang.channels.twin import Heard
from daozhang.sim.every import START_MS
from tests.channels.alipay.kit import another

HOST = "127.0.0.1:7801"


class Client:
    """What a shop's programmer would write in an afternoon."""

    def __init__(self, folder: Path, *, certificates: bool = False, partner: bool = False) -> None:
        self.twin = another()
        self.given = self.twin.credentials(f"http://{HOST}")
        self.key, self.theirs = folder / "app.pem", folder / "alipay.pem"
        self.key.write_text(self.given["app_private_key_pkcs8"])
        self.theirs.write_text(self.given["alipay_public_key"])
        self.certificates, self.partner = certificates, partner

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        text = json.dumps(body, ensure_ascii=False) if body is not None else ""
        auth = f"app_id={self.given['partner_app_id' if self.partner else 'app_id']}"
        if self.certificates:
            auth += f",app_cert_sn={self.twin.gate._papers.app_sn}"  # type: ignore[union-attr]
        auth += f",nonce=5f2a-77,timestamp={START_MS},expired_seconds=600"
        message = f"{auth}\n{method}\n{path}\n{text}\n"
        headers = [("alipay-request-id", "1"), ("Content-Type", "application/json"), ("Host", HOST)]
        if self.partner:
            headers.append(("alipay-app-auth-token", self.given["app_auth_token"]))
            message += f"{self.given['app_auth_token']}\n"
        if self.certificates:
            headers.append(("alipay-root-cert-sn", self.twin.gate._papers.root_sn))  # type: ignore[union-attr]
        headers.append(("authorization", f"ALIPAY-SHA256withRSA {auth},sign={self.sign(message)}"))
        said = self.twin.handle(Heard(method, path, tuple(headers), text.encode(), START_MS))
        self.verify(dict(said.headers), said.body)
        return said.status, json.loads(said.body)

    def sign(self, message: str) -> str:
        command = ["openssl", "dgst", "-sha256", "-sign", str(self.key)]
        return base64.b64encode(subprocess.run(command, input=message.encode(), capture_output=True, check=True).stdout).decode()

    def verify(self, headers: dict[str, str], body: bytes) -> None:
        signature = self.key.with_name("signature")
        signature.write_bytes(base64.b64decode(headers["alipay-signature"]))
        message = f"{headers['alipay-timestamp']}\n{headers['alipay-nonce']}\n".encode() + body + b"\n"
        command = ["openssl", "dgst", "-sha256", "-verify", str(self.theirs), "-signature", str(signature)]
        assert subprocess.run(command, input=message, capture_output=True).returncode == 0
        assert headers.get("alipay-sn", "") == (self.twin.gate._papers.alipay_sn if self.certificates else "")  # type: ignore[union-attr]


@pytest.mark.parametrize(("certificates", "partner"), [(False, False), (True, False), (True, True)])
def test_the_whole_story(tmp_path: Path, certificates: bool, partner: bool) -> None:
    client = Client(tmp_path, certificates=certificates, partner=partner)
    trade = "/v3/alipay/trade/"
    code = client.twin.code("pays", START_MS)["code"]
    pay = {"out_trade_no": "A", "scene": "bar_code", "auth_code": code, "subject": "茶", "total_amount": "12.50"}
    status, paid = client.call("POST", f"{trade}pay", pay)
    assert (status, paid["total_amount"], "code" in paid) == (200, "12.50", False)
    assert client.call("POST", f"{trade}query", {"out_trade_no": "A"})[1]["trade_status"] == "TRADE_SUCCESS"
    back = {"out_trade_no": "A", "refund_amount": "2.50", "out_request_no": "R1"}
    assert client.call("POST", f"{trade}refund", back)[1]["fund_change"] == "Y"
    assert client.call("POST", f"{trade}fastpay/refund/query", back)[1]["refund_status"] == "REFUND_SUCCESS"
    typing = {**pay, "out_trade_no": "B", "auth_code": client.twin.code("hesitates", START_MS)["code"]}
    status, waiting = client.call("POST", f"{trade}pay", typing)
    assert status == 200 and "gmt_payment" not in waiting
    assert client.call("POST", f"{trade}cancel", {"out_trade_no": "B"})[1]["action"] == "close"
    assert client.call("POST", f"{trade}precreate", {**back, "out_trade_no": "C", "total_amount": "1"})[1]["qr_code"]
    status, nobody = client.call("POST", f"{trade}query", {"out_trade_no": "nobody"})
    assert (status, nobody["code"], sorted(nobody)) == (400, "ACQ.TRADE_NOT_EXIST", ["code", "links", "message"])
    bill = "/v3/alipay/data/dataservice/bill/downloadurl/query?bill_type=trade&bill_date="
    assert client.call("GET", f"{bill}2020-01-01")[1]["code"] == "NO_BILL_DATA"
    assert client.call("POST", "/v3/alipay/trade/nonsense", {})[1]["code"] == "invalid-method"
