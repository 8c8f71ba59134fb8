"""The sandbox alone: one command, credentials for any SDK, and every control by channel."""

import json
import subprocess
import sys
from typing import Any

import pytest

from daozhang.core.evidence import Op, Proves
from tests.sandbox.conftest import Alone, Till

CONTRACT = {
    "alipay": "gateway endpoint app_id seller_id app_private_key_pkcs1 app_private_key_pkcs8 alipay_public_key",
    "wechatpay": "base_url v2_base_url v2_tls_base_url appid mchid serial_no private_key apiv3_key apiv2_key public_key_id public_key "
                 "platform_serial platform_certificate client_certificate client_key",
    "unionpay": "base_url mer_id cert_id merchant_pfx_base64 pfx_password root_certificate middle_certificate",
}  # fmt: skip


def document(alone: Alone, *words: str) -> Any:
    code, out, err = alone.cli(*words, "--json")
    assert code == 0, (out, err)
    return json.loads(out)


def test_credentials_have_every_name_of_the_contract_and_no_value_is_empty(alone: Alone) -> None:
    told = document(alone, "sandbox", "credentials")
    assert set(CONTRACT) <= set(told)
    for channel, names in CONTRACT.items():
        empty = [name for name in names.split() if not isinstance(told[channel].get(name), str) or not told[channel][name]]
        assert empty == [], channel


@pytest.mark.parametrize(("option", "said", "meant"), [("--channel", "alipay", "alipay"), ("--wallet", "wechat", "wechatpay"),
                                                       ("--channel", "unionpay", "unionpay")])  # fmt: skip
def test_code_books_and_chaos_name_the_channel(alone: Alone, option: str, said: str, meant: str) -> None:
    code = document(alone, "sandbox", "code", option, said)["code"]
    till = Till(alone, meant)
    assert till.channel.takes_code(code)
    payment = till.payment()
    till.ask(Op.PAY, payment, code)
    number = alone.must("GET", f"/books?channel={meant}")["orders"][-1]["out_trade_no"]
    assert document(alone, "sandbox", "books", option, said)["orders"][-1]["out_trade_no"] == number
    document(alone, "chaos", "channel", option, said, "--mode", "timeout")
    assert [row["mode"] for row in document(alone, "chaos", "list", option, said)["on"]] == ["timeout"]
    others = [name for name in CONTRACT if name != meant]
    assert all(alone.must("GET", f"/chaos?channel={name}")["on"] == [] for name in others)
    document(alone, "sandbox", "chaos", "off", option, said)
    assert alone.must("GET", f"/chaos?channel={meant}")["on"] == []


def test_the_clock_moves_without_a_platform_and_stops_at_what_is_due(alone: Alone) -> None:
    till = Till(alone, "wechatpay")
    payment = till.payment()
    till.ask(Op.PAY, payment, document(alone, "sandbox", "code", "--wallet", "wechat", "--behaviour", "types_password")["code"])
    before = document(alone, "clock", "now")["now_ms"]
    after = document(alone, "clock", "advance", "1m")["now_ms"]
    assert after >= before + 60_000
    order = alone.must("GET", "/books?channel=wechatpay")["orders"][-1]
    assert order["captured_fen"] == payment.amount_fen
    assert order["times"]["paid_ms"] < before + 30_000, "the payer typed on the way, not at the end"
    assert till.ask(Op.QUERY, payment).proves is Proves.CAPTURED


def test_a_second_sandbox_on_the_same_ports_says_what_is_wrong(alone: Alone) -> None:
    command = [sys.executable, "-m", "daozhang.cli.main", "sandbox", "up", "--base-port", str(alone.base_port), "--lang", "en",
               "--data", str(alone.data)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, timeout=60)
    assert done.returncode == 1 and b"Take another --base-port" in done.stderr and b"Traceback" not in done.stderr


def test_unknown_channels_are_refused_in_both_languages(alone: Alone) -> None:
    for words in (("sandbox", "code"), ("chaos", "list")):
        code, out, _ = alone.cli(*words, "--channel", "no&such", "--json")
        said = json.loads(out)["error"]
        assert code == 1 and said["code"] == "unknown_channel" and set(said["next_step"]) == {"zh", "en"}
