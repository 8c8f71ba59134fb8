"""Every cause on the shelf: whole in both languages, short for the cashier, fair to everyone, and tested by its own file."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import daozhang.channels
from daozhang.cli.describe import describe
from daozhang.cli.new import new
from daozhang.diagnosis import cause as shelf_of
from daozhang.diagnosis import verdicts
from daozhang.diagnosis.cause import PEOPLE, BadCause, Cause, Words, get, look, shelf
from daozhang.diagnosis.name import CauseNamed, name_causes, name_standing, name_till
from tests.diagnosis.worlds import AT, crowd, standing, terminal, world

HINTS = [
    "info.reply_lost",
    "info.reply_unreadable",
    "info.notify_lost",
    "platform.outage",
    "platform.maintenance",
    "platform.degraded",
    "platform.rejected_config",
    "bank.unavailable",
    "bank.declined",
    "operator.wrong_code_type",
    "operator.bad_scan",
    "operator.wrong_merchant",
    "operator.wrong_amount",
    "payer.not_completed",
    "payer.wrong_password",
    "payer.code_expired",
    "payer.card_expired",
    "payer.insufficient_funds",
    "payer.paid_elsewhere",
    "payee.frozen",
    "payee.not_signed",
    "payee.not_verified",
    "limit.single",
    "limit.daily",
    "limit.monthly",
    "limit.method",
    "risk.payer_blocked",
    "risk.merchant_restricted",
    "funds.refund_no_balance",
    "network.slow",
    "us.internal",
    "us.egress",
    "us.notify_door",
    "us.certificate",
    "integration.idempotency",
]
HAN = re.compile(r"[\u4e00-\u9fff]")
AGAIN = re.compile(
    r"重新收|可重收|再收[^这]|请顾客再付|再付一次$|再扫|换.*收|charge again|pay again|pay once more|scan again"
)
NOT_YET = re.compile(r"先别|先不要|别让|不要重收|不要新建|[Dd]o not (charge|pay|create)|not to charge|not pay again")


def every_sentence() -> Iterator[tuple[str, str, Words]]:
    """(where, for whom, words) of everything that is written for people."""
    for cause in shelf().values():
        for steps in (cause.meanwhile, cause.next):
            for person, words in steps.items():
                yield cause.id, person, words
    for steps in [
        *verdicts.STEPS.values(), *verdicts.QUESTIONS.values(), verdicts.REVERSING, verdicts.REFUNDING, verdicts.REFUNDED,
        verdicts.PARTLY_REFUNDED, verdicts.LATE, verdicts.SURPLUS, verdicts.SURPLUS_REFUSED, verdicts.SURPLUS_RETURNED,
        {"cashier": verdicts.CONSUMED}, {"cashier": verdicts.CONSUMED_PAID},
    ]:  # fmt: skip
        for person, words in steps.items():
            yield "verdict", person, words


def test_every_hint_that_a_table_may_give_is_on_the_shelf() -> None:
    emitted = set()
    for path in Path(daozhang.channels.__file__).parent.glob("*/codes.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            emitted |= {row["hint"] for row in csv.DictReader(file) if row["hint"]}
    assert emitted
    assert [hint for hint in sorted({*HINTS, *emitted}) if get(hint) is None] == []


def test_the_words_fit_the_answer_that_raises_them() -> None:
    """A code that refuses needs words for a proven end; one that proves nothing needs words for the meantime."""
    for path in Path(daozhang.channels.__file__).parent.glob("*/codes.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                cause = get(row["hint"])
                if cause is None or row["op"].startswith("refund"):
                    continue
                assert cause.next if row["proves"] == "refused" else cause.meanwhile or row["proves"] != "nothing", row


@pytest.mark.parametrize("cause", shelf().values(), ids=lambda cause: cause.id)
def test_a_cause_is_whole(cause: Cause) -> None:
    assert re.fullmatch(r"DZ-[A-Z]{2,3}-\d\d", cause.number)
    for steps in filter(None, (cause.meanwhile, cause.next)):
        assert tuple(steps) == PEOPLE
    for words in [cause.says, *cause.meanwhile.values(), *cause.next.values()]:
        assert HAN.search(words["zh"]) and words["en"].isascii(), words
    assert all(cause.class_) and (bool(cause.class_) == bool(cause.separated_by))


@pytest.mark.parametrize("cause", shelf().values(), ids=lambda cause: cause.id)
def test_the_examples_of_a_cause_hold(cause: Cause) -> None:
    for example in cause.examples:
        found = found_in(example)
        assert example.question in shelf_of.QUESTIONS
        assert (found is not None and found.id == cause.id) is example.named, (example, found and found.id)


def found_in(example: shelf_of.Example) -> CauseNamed | None:
    given = dict(example.given)
    if example.question == "till":
        return name_till(terminal(given["terminal"], AT), AT, crowd(given))
    if example.question in ("funds", "receiver", "plate"):
        return name_standing(standing(example.question, given))
    named = name_causes(*world(given))
    return named.why_no_money if example.question == "money" else named.why_no_information


def test_numbers_are_unique_and_stable() -> None:
    assert len({cause.number for cause in shelf().values()}) == len(shelf())
    known = {"info.reply_lost": "DZ-INF-01", "platform.degraded": "DZ-PLT-02", "payer.code_expired": "DZ-PAY-03",
             "us.egress": "DZ-US-02", "limit.method": "DZ-LIM-04", "unknown.unknown": "DZ-UNK-01"}  # fmt: skip
    assert {name: shelf()[name].number for name in known} == known


def test_a_cashier_reads_at_most_twenty_characters() -> None:
    for where, person, words in every_sentence():
        if person == "cashier":
            assert len(words["zh"]) <= 20, (where, words)


def test_nobody_is_accused_and_nothing_forbidden_is_advised() -> None:
    forbidden = re.compile(
        r"拆|分两|分次|分开付|分笔|转账|私下|线下|现金|个人收款|骗|假|不够钱|没钱|您的余额|split|two payments of|transfer|cash\b|"
        r"outside the channel|cheat|fraud|fault of the payer",
        re.I,
    )
    for where, person, words in every_sentence():
        assert not forbidden.search(words["zh"] + " " + words["en"]), (where, person, words)


def test_the_payer_never_sees_why_it_was_refused() -> None:
    detail = re.compile(
        r"余额|密码|限额|风控|冻结|拒绝|过期|balance|password|limit|risk|frozen|declin|expired|blocked", re.I
    )
    for where, person, words in every_sentence():
        if person == "payer":
            assert not detail.search(words["zh"] + words["en"]), (where, words)


def test_the_merchant_never_sees_who_paid() -> None:
    for where, person, words in every_sentence():
        if person in ("cashier", "merchant"):
            assert not re.search(r"手机号|姓名|身份|\{|phone number|name of the payer", words["zh"] + words["en"]), (
                where
            )


def test_meanwhile_never_lets_anybody_charge_again() -> None:
    for cause in shelf().values():
        for person, words in cause.meanwhile.items():
            for text in words.values():
                assert not AGAIN.search(text) or NOT_YET.search(text), (cause.id, person, text)
        if cause.meanwhile and cause.id != "payer.not_completed":
            assert NOT_YET.search(cause.meanwhile["cashier"]["zh"]), cause.id


GOOD = """
id = "us.test"
number = "DZ-US-99"
party = "us"
says = { zh = "试", en = "test" }
stage = { play = "payer" }
[next]
""" + "\n".join(f'{person} = {{ zh = "试", en = "test" }}' for person in PEOPLE)
EXAMPLES = "\n".join(
    f'[[examples]]\nquestion = "money"\ngiven = {{ state = "paid" }}\nnamed = {named}' for named in ("true", "false")
)


def test_the_start_of_a_new_cause_is_whole(tmp_path: Path) -> None:
    """``daozhang new cause``: one file that stands as it is, with the party's next number; words are then made its own."""
    for path in (Path(shelf_of.__file__).parent / "causes").glob("bank_*.toml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    done = CliRunner().invoke(new, ["cause", "bank.tired", "--into", str(tmp_path), "--lang", "en"])
    assert done.exit_code == 0, done.output
    made = look(tmp_path)["bank.tired"]
    assert made.number == "DZ-BNK-05" and made.expects is not None and len(made.meanwhile["cashier"]["zh"]) <= 20
    assert CliRunner().invoke(new, ["cause", "bank.tired", "--into", str(tmp_path)]).exit_code == 1
    assert CliRunner().invoke(new, ["cause", "tired", "--into", str(tmp_path)]).exit_code == 2


def test_a_cause_can_be_described_by_id_and_by_number() -> None:
    for which in ("platform.outage", "DZ-PLT-01"):
        done = CliRunner().invoke(describe, ["cause", which, "--lang", "zh"])
        assert done.exit_code == 0 and "platform.outage" in done.output and "先别重收" in done.output
    near = CliRunner().invoke(describe, ["cause", "platform.outge", "--lang", "en"])
    assert near.exit_code == 2 and "platform.outage" in near.output


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("prior = 0.0", "prior"), ("prior = 1.0\nmoon = { full = 0.5 }", "no family"), ("prior = 1.0\nhop = { moon = 0.5 }", "no value moon"),
        ("prior = 1.0\nhop = { us = 0.9, out = 0.9 }", "one together"),
    ],
)  # fmt: skip
def test_what_a_cause_expects_is_checked(tmp_path: Path, table: str, says: str) -> None:
    (tmp_path / "us_test.toml").write_text(f"{GOOD}\n{EXAMPLES}\n[expects]\n{table}\n", "utf-8")
    with pytest.raises(BadCause, match=says):
        look(tmp_path)


def test_a_new_file_is_a_new_cause(tmp_path: Path) -> None:
    (tmp_path / "us_test.toml").write_text(f"{GOOD}\n{EXAMPLES}\n", "utf-8")
    assert look(tmp_path)["us.test"].next["payer"] == {"zh": "试", "en": "test"}


@pytest.mark.parametrize(
    ("stem", "text", "says"),
    [
        ("us_other", f"{GOOD}\n{EXAMPLES}", "named after the id"),
        ("us_test", GOOD, "needs an example"),
        ("us_test", f"{GOOD}\n{EXAMPLES}".replace('payer = { zh = "试", en = "test" }', ""), "not for cashier"),
        ("us_test", f"{GOOD}\n{EXAMPLES}".replace('says = { zh = "试"', 'says = { zh = ""'), "language is missing"),
        ("us_test", f'class = ["us.test"]\n{GOOD}\n{EXAMPLES}', "what would separate it"),
        ("us_test", f'colour = "red"\n{GOOD}\n{EXAMPLES}', "nobody reads colour"),
        ("us_test", f"{GOOD}\n{EXAMPLES}".replace('number = "DZ-US-99"', ""), "number"),
        ("us_test", "id = ", "us_test.toml"),
    ],
)
def test_a_broken_file_is_refused_by_name(tmp_path: Path, stem: str, text: str, says: str) -> None:
    (tmp_path / f"{stem}.toml").write_text(text, "utf-8")
    with pytest.raises(BadCause, match=says) as told:
        look(tmp_path)
    assert str(told.value).startswith(f"{stem}.toml")


def test_a_number_is_given_once(tmp_path: Path) -> None:
    (tmp_path / "us_test.toml").write_text(f"{GOOD}\n{EXAMPLES}\n", "utf-8")
    (tmp_path / "us_two.toml").write_text(f"{GOOD}\n{EXAMPLES}\n".replace('"us.test"', '"us.two"'), "utf-8")
    with pytest.raises(BadCause, match=r"us_two\.toml: number DZ-US-99 belongs to us\.test"):
        look(tmp_path)
