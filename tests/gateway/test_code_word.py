"""The word of the day from the API, the command line and a speaker: one and the same."""

import asyncio
import json
from pathlib import Path

from tests.api.test_doors import ALL, _other_merchant
from tests.conftest import System
from tests.gateway.kit import Speaker, enrol, new_till, ready


def test_a_speaker_says_the_word_that_the_shop_reads(system: System, tmp_path: Path) -> None:
    store, till = system.state["store"], new_till(system)
    told = enrol(system, till)
    speaker = Speaker(told).start()
    ready(system, told)
    system.pay(till=till)
    plain = speaker.next()
    assert "code_word" not in plain and not any(clip.startswith("word_") for clip in plain["clips"])
    refused, why = system.call("PATCH", f"/v1/devices/{told['device']}", {"desired": {"code_word": "yes"}})
    assert refused == 422 and why["errors"][0]["pointer"] == "/desired/code_word"
    assert system.call("PATCH", f"/v1/devices/{told['device']}", {"desired": {"code_word": True}})[0] == 200
    system.pay(till=till)
    status, today = system.call("GET", f"/v1/stores/{store}/code_word")
    heard = speaker.next()
    assert status == 200 and today["store"] == store and today["until"]
    assert heard["code_word"] == {"date": today["date"], **today["word"]}
    assert heard["text"]["zh"].endswith("元," + today["word"]["zh"]) and heard["clips"][-1].startswith("word_")
    speaker.stop()
    code, shown, _ = system.cli("speaker", "word", "--json")
    assert code == 0 and json.loads(shown)["word"] == today["word"]
    code, shown, _ = system.cli("speaker", "wav", "--amount", "12.50", "--lang", "zh", "--word", "today", "-o", str(tmp_path / "a.wav"), "--json")
    assert code == 0 and json.loads(shown)["text"]["zh"] == "支付宝到账12.50元," + today["word"]["zh"]


def test_the_word_is_the_merchants_own(system: System) -> None:
    other = asyncio.run(_other_merchant(system, ALL))
    assert system.call("GET", f"/v1/stores/{system.state['store']}/code_word", api_key=other["api_key"])[0] == 404
    assert system.call("GET", f"/v1/stores/{system.state['store']}/code_word", api_key="none")[0] == 401
