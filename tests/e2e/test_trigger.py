"""Every cause really happens on the running sandbox, is named (alone or within its class), and is gone with its fault."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from daozhang.cli.link import Link
from daozhang.cli.plays import PLAYS, Stage, advance, pay, play, whole
from daozhang.cli.say import Talk
from daozhang.cli.trigger import named_in
from daozhang.diagnosis.cause import PEOPLE, shelf
from tests.conftest import System, free_base_port

# Those that break our own way out or our own process come last: what follows them would have to wait for it.
ORDER = {"payer": 0, "scan": 0, "lookup": 0, "chaos": 1, "qr": 2, "crowd": 3, "device": 4, "speaker": 5, "egress": 6, "kill": 7, "release": 8,
         "twice": 0, "plate_payment": 1, "plate": 0, "funds": 0, "webhook": 1}  # fmt: skip


GROUPS = (
    ("payer", "scan", "lookup", "twice", "plate_payment", "plate"), ("chaos", "qr", "crowd", "egress", "kill", "release"),
    ("device", "speaker", "funds", "webhook"),
)  # fmt: skip
Played = dict[str, Future[tuple[dict[str, Any], dict[str, Any] | None]]]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Each group of plays on a system of its own (clocks are moved, processes die), side by side: they mostly wait."""
    told: Played = {}
    with contextlib.ExitStack() as stack:
        for at, group in enumerate(GROUPS):
            made = System(tmp_path_factory.mktemp("plays") / "d", free_base_port() + 1000 + 20 * at)
            made.start()
            stack.callback(made.stop)
            stage = Stage(Talk(made.data, False, "en"), Link(made.data), 1250, 40)
            one_after_the_other = stack.enter_context(ThreadPoolExecutor(1))
            if "speaker" in group:
                one_after_the_other.submit(advance, stage, 3600)  # devices go by the sandbox's clock, wherever it is
            for ident in sorted((ident for ident, cause in shelf().items() if cause.stage["play"] in group), key=by_cost):
                told[ident] = one_after_the_other.submit(carry_out, stage, ident)
        yield told


def carry_out(stage: Stage, ident: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What the play led to, and a payment after it."""
    told = play(stage, shelf()[ident].stage)
    if told.get("object") == "payment" and shelf()[ident].stage["play"] not in ("egress", "kill", "release", "speaker"):
        return told, whole(stage, pay(stage, "alipay", "pays")["id"])
    return told, after(stage, told)


def after(stage: Stage, told: dict[str, Any]) -> dict[str, Any] | None:
    """The same thing once the fault is gone; None where it was taken away with it."""
    match told.get("object"):
        case "settlement_account":
            return dict(stage.link.must("GET", "/settlement_account"))
        case "plate":
            return dict(stage.link.must("GET", f"/tills/{told['till']}/plate"))
        case _:
            return None


def by_cost(ident: str) -> tuple[int, str]:
    return ORDER[shelf()[ident].stage["play"]], ident


def test_every_play_is_used_and_known() -> None:
    assert {cause.stage["play"] for cause in shelf().values()} == set(PLAYS) == set(ORDER) == {name for group in GROUPS for name in group}


@pytest.mark.parametrize("ident", sorted(shelf(), key=by_cost))
def test_a_cause_happens_is_named_and_goes_away(played: Played, ident: str) -> None:
    told, healthy = played[ident].result()
    question = named_in(told, ident)
    assert question, {name: told.get(name) for name in ("verdict", "why_no_information", "why_no_money", "cause")}
    named = told[question]
    if isinstance(named, dict):
        assert named["id"] == ident or not ident.startswith("device.speaker"), named["ranked"]
        assert 0 < named["probability"] <= 1 and named["steps"] and named["ranked"][0]["id"]
        assert named["confidence"] != "proven" or not named["class"]
        assert named["evidence"] or told["object"] == "device" or named["id"] == "unknown.unknown" or named["party"] == "us", named
        assert set(told["next_step"]) == set(PEOPLE) and all(words["zh"] and words["en"] for words in told["next_step"].values())
    card = shelf()[ident]
    assert set(card.next or card.meanwhile) == set(PEOPLE) and (card.separated_by or not card.class_)
    if healthy is not None and healthy["object"] != "payment":
        assert healthy["cause"] is None and healthy["next_step"] is None
    elif healthy is not None:
        assert healthy["verdict"] == "paid" and healthy["why_no_information"] is None
