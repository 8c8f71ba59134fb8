"""Drills in virtual time: the report's keys, what a healthy world says, and whether faults are named by what they show."""

import json
from pathlib import Path

from click.testing import CliRunner

from daozhang.cli.main import cli
from daozhang.sim.drill_file import parse
from daozhang.sim.drill_run import run_drill

HERE = Path("some.yaml")
KEYS = {
    "payments", "dark_episodes", "top1", "top1_exact", "top1_by_cause", "confusion", "unknown_share", "ece", "proven_wrong",
    "time_to_cause_s", "time_to_truth_s", "time_to_told_s", "wrong_verdicts", "net_double_charges", "untold", "false_incidents",
    "incident_detection_s", "manners_violations",
}  # fmt: skip
NEVER = ("proven_wrong", "wrong_verdicts", "net_double_charges", "untold", "false_incidents", "manners_violations")


def run(faults: str, seed: int = 5, minutes: int = 4, world: str = "merchants: 10, payments_per_minute: 90") -> dict:  # type: ignore[type-arg]
    return run_drill(parse(f"name: x\nminutes: {minutes}\nworld: {{{world}}}\nfaults: {faults}\n", HERE), seed).report


def test_a_healthy_world_has_nothing_but_what_is_ordinary() -> None:
    told = run("[]", world="merchants: 10, payments_per_minute: 90, unknown_rate: 0.0, heartbeat_loss: 0.2")
    assert set(told) == KEYS
    assert told["payments"] > 250 and told["dark_episodes"] == 0
    assert all(told[key] == 0 for key in NEVER)
    assert told["top1"] is None


def test_a_channel_that_is_gone_is_named_and_nobody_is_charged_twice() -> None:
    told = run("[{cause: platform.outage, channel: alipay, at: 1m, for: 90s}]", world="merchants: 10, payments_per_minute: 90, impatience: 1.0")
    assert told["confusion"]["platform.outage"]["platform.outage"] >= 30
    assert told["top1"] >= 0.95 and all(told[key] == 0 for key in NEVER)
    assert told["incident_detection_s"]["p99"] <= 60


def test_a_channel_that_is_ill_is_asked_less_than_it_would_be_without_slowing_down() -> None:
    text = ("name: x\nminutes: 5\nworld: {merchants: 10, payments_per_minute: 90, wallets: {wechat: 1}}\n"
            "faults: [{cause: platform.degraded, channel: wechat, at: 30s, for: 3m, share: 0.85, symptom: timeout}]\n")  # fmt: skip
    ran = run_drill(parse(text, HERE), 5)
    before, during, after = ran.page["polling"]["wechatpay"]
    assert during["dark"] >= 30 and during["queries"] <= 0.75 * during["unthrottled"], during
    assert before["unthrottled"] <= 3 and after["queries"] <= during["queries"]
    [one] = ran.page["incidents"]
    assert (one["party"], one["place"], one["true"]) == ("platform wechatpay", "channel wechatpay", True)
    assert ran.report["untold"] == 0 and ran.report["manners_violations"] == 0


def test_several_faults_at_once_each_get_their_own_name() -> None:
    told = run("[{cause: platform.maintenance, channel: wechat, at: 1m, for: 90s}, {cause: payer.insufficient_funds, share: 0.1}, "
               "{cause: device.printer, till: m2/t1, at: 30s}, {cause: device.speaker_muted, merchant: m3, at: 30s}]")  # fmt: skip
    assert {"platform.maintenance", "payer.insufficient_funds", "device.printer", "device.speaker_muted"} <= set(told["top1_by_cause"])
    assert told["top1"] >= 0.95 and all(told[key] == 0 for key in NEVER), told["confusion"]


def test_the_same_seed_is_the_same_run_and_another_is_another() -> None:
    faults = "[{cause: platform.degraded, channel: alipay, at: 30s, for: 1m}]"
    assert run(faults, 3, 2) == run(faults, 3, 2) != run(faults, 4, 2)


def test_the_verb_writes_a_report_and_a_page_and_refuses_a_bad_file(tmp_path: Path) -> None:
    good, bad, report = tmp_path / "good.yaml", tmp_path / "bad.yaml", tmp_path / "out" / "report.json"
    good.write_text("name: short\nminutes: 1\nfaults:\n  - {cause: us.egress, at: 20s}\n", "utf-8")
    bad.write_text("name: short\nfaults:\n  - {cause: us.egres}\n", "utf-8")
    done = CliRunner().invoke(cli, ["drill", "run", str(good), "--report", str(report), "--seed", "9", "--json"])
    assert done.exit_code == 0, done.output
    assert set(json.loads(report.read_text("utf-8"))) == KEYS
    page = report.with_suffix(".html").read_text("utf-8")
    assert "simulated accuracy; field accuracy unmeasured" in page and "模拟准确率" in page
    assert page.count("<svg") >= 3 and "http" not in page.replace("http-equiv", "") and "<script" not in page
    done = CliRunner().invoke(cli, ["drill", "run", str(bad), "--lang", "en"])
    assert done.exit_code == 2 and "bad.yaml:3: there is no cause called us.egres; did you mean us.egress?" in done.output
