"""The contract for programs, against a running system."""

import json
import os
import time

import pytest

from tests.conftest import System


def test_status_has_the_promised_fields(system: System) -> None:
    code, out, _ = system.cli("status", "--json")
    told = json.loads(out)
    assert code == 0 and told["ready"] is True
    assert {"api", "alipay", "sandbox"} <= told["urls"].keys()
    assert {"mqtt", "mqtts", "mqtt_ws"} <= told["urls"].keys()
    assert {"up", "postgres", "serve", "work", "sandbox", "gateway"} == told["pids"].keys()
    assert isinstance(told["pids"]["serve"], list) and isinstance(told["pids"]["work"], list)
    assert told["merchant"].startswith("mer_") and told["store"].startswith("sto_") and told["till"].startswith("till_")
    assert (system.data / "state.json").stat().st_mode & 0o077 == 0


def test_status_of_nothing_is_3(tmp_path: object) -> None:
    system = System(data=tmp_path / "none", base_port=1)  # type: ignore[operator]
    code, out, _ = system.cli("status", "--json")
    assert code == 3 and "error" in json.loads(out)


def test_credentials_for_any_sdk(system: System) -> None:
    told = json.loads(system.cli("sandbox", "credentials", "--json")[1])["alipay"]
    assert {
        "gateway",
        "endpoint",
        "app_id",
        "app_private_key_pkcs1",
        "app_private_key_pkcs8",
        "alipay_public_key",
    } <= told.keys()
    assert told["app_private_key_pkcs1"].startswith("-----BEGIN RSA PRIVATE KEY-----")


def test_pay_why_trace(system: System) -> None:
    code, out, _ = system.cli("pay", "12.50", "--json")
    paid = json.loads(out)
    assert (code, paid["verdict"], paid["amount"], paid["money"]) == (0, "paid", 1250, "received")
    assert paid["channel_refs"]["out_trade_no"] == "DZ" + paid["id"][4:]
    code, out, _ = system.cli("why", paid["id"], "--json")
    told = json.loads(out)
    assert code == 0 and told["decided_by"] in [line["id"] for line in told["evidence"]]
    code, out, _ = system.cli("trace", paid["id"])
    assert code == 0 and "captured" in out and "sent_body" in out
    order = next(o for o in system.books()["orders"] if o["out_trade_no"] == paid["channel_refs"]["out_trade_no"])
    assert order["captured_fen"] == 1250


@pytest.mark.parametrize(
    ("behaviour", "cause"),
    [("no_balance", "payer.insufficient_funds"), ("day_limit", "limit.daily"), ("code_expired", "payer.code_expired")],
)
def test_a_refusal_is_proven_and_named(system: System, behaviour: str, cause: str) -> None:
    code, out, _ = system.cli("pay", "3", "--behaviour", behaviour, "--json")
    told = json.loads(out)
    assert (code, told["verdict"], told["why_no_money"]["id"], told["safe_to_retry"]) == (10, "not_paid", cause, True)
    assert told["why_no_information"] is None


def test_unresolved_is_11_and_reverse_settles_it(system: System) -> None:
    code, out, _ = system.cli("pay", "3", "--behaviour", "hesitates", "--wait", "1", "--json")
    told = json.loads(out)
    assert (code, told["verdict"], told["safe_to_retry"]) == (11, "waiting_customer", False)
    code, out, _ = system.cli("reverse", told["id"], "--json")
    done = json.loads(out) if code == 0 else system.until_decided(told["id"])
    assert done["verdict"] == "not_paid"


def test_pay_by_qr(system: System) -> None:
    body = {
        "amount": 880,
        "merchant_order_no": f"QR-{os.urandom(4).hex()}",
        "till": system.state["till"],
        "method": {"type": "pay_by_qr"},
        "wait_s": 1,
    }
    status, shown = system.call("POST", "/v1/payments", body)
    assert status == 202 and shown["verdict"] == "waiting_customer" and shown["method"]["qr"]
    code, out, _ = system.cli("sandbox", "scan", shown["method"]["qr"], "--json")
    assert code == 0 and json.loads(out)["out_trade_no"] == shown["channel_refs"]["out_trade_no"]
    assert system.until_decided(shown["id"], 20)["verdict"] == "paid"


def test_refunds_partial_full_and_too_much(system: System) -> None:
    paid = system.pay(amount=1000)
    code, out, _ = system.cli("refund", paid["id"], "2.50", "--json")
    assert code == 0 and json.loads(out)["status"] == "succeeded"
    status, told = system.call("POST", "/v1/refunds", {"payment": paid["id"], "amount": 900})
    assert status == 409 and told["code"] == "over_refund" and told["refundable"] == 750
    code, out, _ = system.cli("refund", paid["id"], "--json")
    assert code == 0
    _, now = system.call("GET", f"/v1/payments/{paid['id']}")
    assert (now["status"], now["amount_refunded"], now["verdict"]) == ("refunded", 1000, "paid")
    order = next(o for o in system.books()["orders"] if o["out_trade_no"] == paid["channel_refs"]["out_trade_no"])
    assert order["returned_fen"] == 1000


def test_a_refund_waits_for_funds_and_goes_on_by_itself(system: System) -> None:
    paid = system.pay(amount=700)
    system.chaos("refund_no_balance")
    status, waiting = system.call("POST", "/v1/refunds", {"payment": paid["id"], "wait_s": 1})
    assert (status, waiting["status"]) == (202, "waiting_funds")
    system.calm()
    system.cli("clock", "advance", "2m")
    end = time.monotonic() + 20
    while (told := system.call("GET", f"/v1/refunds/{waiting['id']}")[1])[
        "status"
    ] != "succeeded" and time.monotonic() < end:
        time.sleep(0.3)
    assert told["status"] == "succeeded"


def test_chaos_list_and_behaviours_speak_both_languages(system: System) -> None:
    modes = json.loads(system.cli("chaos", "list", "--json")[1])["modes"]
    assert len(modes) >= 30 and all(mode["name"] and mode["says"] and mode["zh"] and mode["en"] for mode in modes)
    behaviours = json.loads(system.cli("sandbox", "behaviours", "--json")[1])["alipay"]
    assert len(behaviours) >= 12 and all(row["zh"] and row["en"] for row in behaviours)


@pytest.mark.parametrize(
    "words",
    [("pay", "12.505"), ("pay", "1e2"), ("pay", "０.01"), ("pay", "-1"), ("pay", "0"), ("why", "zzzzzz"), ("why", "x"),
     ("refund", "pay_01JD8000000000000000000000"), ("chaos", "channel", "alipay", "--mode", "nothing"),
     ("chaos", "channel", "visa", "--mode", "slow"), ("clock", "advance", "soon"), ("describe", "/nowhere/at/all"),
     ("sandbox", "code", "--behaviour", "flies"), ("sandbox", "scan", "hello"), ("new", "channel", "No!")],
)  # fmt: skip
def test_errors_say_what_and_how_to_mend_in_both_languages(system: System, words: tuple[str, ...]) -> None:
    said = {}
    for lang in ("zh", "en"):
        code, out, err = system.cli(*words, "--lang", lang)
        assert code not in (0, 70) and "Traceback" not in err
        assert out == ""
        said[lang] = err.strip().splitlines()[-1]
    assert said["zh"] != said["en"] and said["zh"].startswith("错误") and said["en"].startswith("error")
    code, out, _ = system.cli(*words, "--json")
    assert code != 0 and "error" in json.loads(out)


def test_describe_a_message_and_a_code(system: System, tmp_path: object) -> None:
    code, out, _ = system.cli("describe", "code", "ACQ.SYSTEM_ERROR", "--json")
    assert code == 0 and all(row["proves"] == "nothing" for row in json.loads(out)["rows"])
    broken = tmp_path / "m"  # type: ignore[operator]
    broken.write_text('{"alipay_trade_pay_response":{"code":"10000","out_tr')
    code, out, _ = system.cli("describe", str(broken), "--json")
    assert code == 0 and json.loads(out)["proves"] == "nothing"
