"""The channels' codes can be browsed: by channel, operation, outcome and words, over HTTP and on the command line."""

import json
import re

from click.testing import CliRunner

from daozhang.channels.shelf import Shelf
from daozhang.cli.describe import describe
from daozhang.core.evidence import Proves
from daozhang.diagnosis.cause import get
from daozhang.flow import codes
from tests.conftest import System

SHELF = Shelf.look()


def test_every_row_of_every_table_says_what_it_proves_in_both_languages() -> None:
    rows = codes.browse(SHELF)
    assert len(rows) == sum(len(channel.codes()) for channel in SHELF) > 500
    keys = [(row["channel"], row["op"], row["code"]) for row in rows]
    assert len(keys) == len(set(keys))
    for row in rows:
        assert re.search("[\u4e00-\u9fff]", row["zh"]) and row["en"] and not re.search("[\u4e00-\u9fff]", row["en"]), row
        assert row["outcome"]["zh"] and row["outcome"]["en"]
        assert not row["hint"] or get(row["hint"]) is not None, row
    assert set(codes.OUTCOMES) == set(Proves)


def test_every_channel_has_a_table_for_every_thing_that_is_asked() -> None:
    asked = {"pay", "query", "reverse", "refund", "refund_query", "notify"}
    for channel in SHELF:
        assert asked <= {row["op"] for row in channel.codes()}, channel.name


def test_filters(system: System) -> None:
    def found(query: str) -> list[dict[str, str]]:
        status, told = system.call("GET", f"/v1/codes?{query}")
        assert status == 200, told
        return list(told["data"])

    everything = found("")
    assert {row["channel"] for row in everything} == {"alipay", "wechatpay", "unionpay"}
    assert {row["channel"] for row in found("channel=wechat")} == {"wechatpay"}
    some = found("channel=alipay&operation=query&outcome=nothing")
    assert some and {(row["channel"], row["op"], row["proves"]) for row in some} == {("alipay", "query", "nothing")}
    both = found("q=ACQ.SYSTEM_ERROR")
    assert {row["op"] for row in both} >= {"pay", "query", "reverse"} and {row["proves"] for row in both} <= {"nothing", "undo_again", "refund_pending"}
    assert found("q=balance%20too%20low") and found("q=%E4%BD%99%E9%A2%9D%E4%B8%8D%E8%B6%B3")
    for query in ("operation=dance", "outcome=perhaps"):
        status, told = system.call("GET", f"/v1/codes?{query}")
        assert status == 400 and told["code"] == "bad_query" and "is one of" in told["detail"]
    assert found("channel=nobody") == []


def test_the_command_line_describes_a_code() -> None:
    told = json.loads(CliRunner().invoke(describe, ["code", "ACQ.SYSTEM_ERROR", "--json"]).stdout)
    assert {row["op"] for row in told["rows"]} >= {"pay", "query"} and told["rows"][0]["code"] == "ACQ.SYSTEM_ERROR"
    for lang, word in (("zh", "结果未知"), ("en", "proves nothing")):
        assert word in CliRunner().invoke(describe, ["code", "acq.system_error", "--lang", lang]).stdout
    unseen = CliRunner().invoke(describe, ["code", "ACQ.SYSTEM_EROR", "--lang", "en"]).stdout
    assert "nobody has seen this code" in unseen and "ACQ.SYSTEM_ERROR" in unseen
