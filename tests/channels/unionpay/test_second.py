"""The twin against an independent client whose cryptography is openssl's: pay, typing, query, reverse, undo, refund, notify, file."""

import base64
import json
import os
import threading
import time
import urllib.parse
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.channels.unionpay.second import SecondClient, openssl, unpacked
from tests.conftest import System


class Door(BaseHTTPRequestHandler):
    """The shop's notify address."""

    heard: dict[str, dict[str, str]] = {}

    def do_POST(self) -> None:
        fields = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        Door.heard[fields["orderId"]] = fields
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def door() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/notify"
    server.shutdown()


@pytest.fixture
def client(system: System, tmp_path: Path) -> SecondClient:
    given = json.loads(system.cli("sandbox", "credentials", "--json")[1])["unionpay"]
    made = SecondClient(given, tmp_path, datetime.now(UTC))
    assert made.cert_id == given["cert_id"]
    return made


def number() -> str:
    return f"SC{os.urandom(8).hex()}"


def heard(order: str) -> dict[str, str]:
    for _ in range(300):
        if order in Door.heard:
            return Door.heard[order]
        time.sleep(0.05)
    raise AssertionError("no notify came")


def test_the_writing_of_unionpays_own_samples_is_taken(system: System, client: SecondClient, door: str) -> None:
    """They say utf-8 in small letters, and send fields that most merchants do not know."""
    order = number()
    customer = base64.b64encode("{customerNm=张三&phoneNo=13800138000}".encode()).decode()
    more = {"encoding": "utf-8", "customerInfo": customer, "riskRateInfo": "{commodityName=茶,大杯}", "reqReserved": "e2E6MX0=+/ %7B", "bizType": "000201",
            "accSplitData": "eyJhIjoxfQ==", "payTimeout": f"{client.at + timedelta(minutes=15):%Y%m%d%H%M%S}"}  # fmt: skip
    taken = client.pay(order, 1250, system.code("pays", "unionpay"), door, **more)
    assert (taken["respCode"], taken["encoding"], taken["reqReserved"]) == ("00", "utf-8", more["reqReserved"])
    found = client.query(order, taken["txnTime"], encoding="utf-8", bizType="000201")
    assert (found["respCode"], found["origRespCode"]) == ("00", "00")
    assert client.believes(heard(order))
    assert client.pay(number(), 1, system.code("pays", "unionpay"), door, encoding="GBK")["respCode"] == "10"


def test_pay_is_only_taken_and_notify_and_query_prove_it(system: System, client: SecondClient, door: str) -> None:
    order = number()
    taken = client.pay(order, 1250, system.code("pays", "unionpay"), door)
    assert (taken["respCode"], taken["orderId"]) == ("00", order) and "origRespCode" not in taken
    notify = heard(order)
    assert client.believes(notify) and (notify["respCode"], notify["txnAmt"]) == ("00", "1250")
    assert not client.believes({**notify, "txnAmt": "1251"})
    seal = notify["signature"]
    assert not client.believes({**notify, "signature": ("B" if seal[0] == "A" else "A") + seal[1:]})
    found = client.query(order, taken["txnTime"])
    assert (found["respCode"], found["origRespCode"], found["settleAmt"]) == ("00", "00", "1250")


def test_a_payer_who_types_is_reversed(system: System, client: SecondClient, door: str) -> None:
    order = number()
    moment = client.pay(order, 800, system.code("hesitates", "unionpay"), door)["txnTime"]
    assert client.query(order, moment)["origRespCode"] in ("05", "70")
    assert client.reverse(order, moment)["respCode"] == "00"
    after = client.query(order, moment)
    assert after["respCode"] == "34" or after["origRespCode"] not in ("00", "A6")
    book = {one["out_trade_no"]: one for one in system.books("unionpay")["orders"]}[order]
    assert book["captured_fen"] - book["returned_fen"] == 0


def test_a_refusal_is_told_by_the_query(system: System, client: SecondClient, door: str) -> None:
    order = number()
    moment = client.pay(order, 800, system.code("no_balance", "unionpay"), door)["txnTime"]
    for _ in range(100):
        found = client.query(order, moment)
        if found["origRespCode"] not in ("05", "04"):
            break
        time.sleep(0.05)
    assert found["origRespCode"] == "64"


def test_undo_and_refunds(system: System, client: SecondClient, door: str) -> None:
    orders = [number(), number()]
    ids = []
    for order in orders:
        client.pay(order, 1000, system.code("pays", "unionpay"), door)
        ids.append(heard(order)["queryId"])
    assert client.undo(number(), 1000, ids[0], door)["respCode"] == "00"
    part = number()
    back = client.refund(part, 400, ids[1], door)
    assert back["respCode"] == "00"
    assert client.query(part, back["txnTime"])["origRespCode"] == "00"
    assert client.refund(number(), 601, ids[1], door)["respCode"] not in ("00", "05"), "more than was left"
    books = {one["out_trade_no"]: one for one in system.books("unionpay")["orders"]}
    assert [books[order]["returned_fen"] for order in orders] == [1000, 400]


def test_a_qr_is_shown_scanned_and_paid(system: System, client: SecondClient, door: str) -> None:
    order = number()
    shown = client.apply(order, 660, door)
    assert shown["respCode"] == "00" and shown["qrCode"].startswith("https://qr.95516.com/")
    assert system.call("POST", "/v1/sandbox/scan", {"wallet": "unionpay", "qr": shown["qrCode"], "behaviour": "pays"})[0] == 200
    assert client.believes(heard(order))
    assert client.query(order, shown["txnTime"])["origRespCode"] == "00"


@pytest.mark.parametrize(
    ("access", "more", "asking"),
    [("1", {"acqInsCode": "48021440", "merCatCode": "5411", "merName": "一家店", "merAbbr": "店"}, {"acqInsCode": "48021440"}),
     ("2", {"subMerId": "S10001", "subMerName": "一家店", "subMerAbbr": "店"}, {})],
)  # fmt: skip
def test_an_acquirer_and_a_platform_pay_for_others(
    client: SecondClient, system: System, door: str, access: str, more: dict[str, str], asking: dict[str, str]
) -> None:
    client.access, order = access, number()
    for name in more:
        left = {key: value for key, value in more.items() if key != name}
        missing = client.pay(number(), 1250, system.code("pays", "unionpay"), door, **left)
        assert missing["respCode"] == "13" and name in missing["respMsg"]
    taken = client.pay(order, 1250, system.code("pays", "unionpay"), door, **more)
    assert (taken["respCode"], taken["accessType"]) == ("00", access) and {key: taken[key] for key in taken.keys() & more.keys()}.items() <= more.items()
    assert client.query(order, taken["txnTime"], **asking)["origRespCode"] == "00"
    notify = heard(order)
    assert client.believes(notify) and (notify["accessType"], notify["txnAmt"]) == (access, "1250")


def test_the_file_of_a_day_that_is_over(own_system: System, tmp_path: Path, door: str) -> None:
    given = json.loads(own_system.cli("sandbox", "credentials", "--json")[1])["unionpay"]
    client, order = SecondClient(given, tmp_path, datetime.now(UTC)), number()
    client.access = "2"
    client.pay(order, 1250, own_system.code("pays", "unionpay"), door, subMerId="S10001", subMerName="一家店", subMerAbbr="店")
    query_id = heard(order)["queryId"]
    beijing = datetime.now(timezone(timedelta(hours=8)))
    day = f"{beijing + timedelta(hours=1):%m%d}"  # a clearing day ends at 23:00
    assert client.file(day)["respCode"] == "98", "the day is not over"
    assert own_system.cli("clock", "advance", "50h")[0] == 0
    client.at += timedelta(hours=50)
    (line,) = unpacked(client.file(day)).decode("gb18030").splitlines()
    columns = line.split()
    assert "S10001" in columns
    assert order in columns and query_id in columns and "000000001250" in columns


def test_a_request_signed_by_another_key_is_refused_in_a_signed_reply(client: SecondClient) -> None:
    client._key.write_bytes(openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"))
    assert client.query(number(), f"{client.at:%Y%m%d%H%M%S}")["respCode"] == "11"
