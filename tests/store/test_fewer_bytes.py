"""What is stored in short is read back whole, by every reader; and a database that was there before goes on."""

import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daozhang.core.evidence import Evidence
from daozhang.core.faults import KeyUsed
from daozhang.core.payment import Payment, State
from daozhang.core.ports import Change, Key
from daozhang.core.standard_webhook import new_secret
from daozhang.core.webhook import Endpoint
from daozhang.flow.pen import event
from daozhang.store.embedded import Embedded
from daozhang.store.migrate import HERE, migrate
from daozhang.store.seal import Seal
from daozhang.store.short import lengthened, shortened
from daozhang.store.store import PgStore
from daozhang.store.thin import number_of
from tests.store.kit import NOW, attempt, merchant, new_id, past_the_horizon, step, tick
from tests.store.test_announcements import place, speaker

_STORED = "select data::text from event where bucket = $1 and subject = $2 order by seq"


def told(change: Change, kind: str) -> Change:
    """The change with the event that the flow would write."""
    return replace(change, events=(event(kind, change.payment, tick()),))


async def paid_as_the_flow_does(store: PgStore, p: Payment) -> tuple[Payment, list[dict[str, object]]]:
    """Stored and paid; with the facts of its two events as they were handed in."""
    begun = told(step(p, State.SENT), "payment.created")
    ended = told(step(await store.apply(begun), State.PAID), "payment.paid")
    paid = await store.apply(ended)
    return paid, [begun.events[0].data, ended.events[0].data]


async def test_an_event_is_read_whole_by_every_reader(store: PgStore, link: asyncpg.Connection) -> None:
    m = merchant()
    await store.add_merchant(m)
    endpoint = Endpoint(new_id("we", m.bucket), m.bucket, m.id, False, "https://x/", ("*",), "", "enabled", NOW, ((new_secret(bytes(32)), 0),))
    await store.add_endpoint(endpoint)
    p, facts = await paid_as_the_flow_does(store, attempt(m, "单号-1", till="till_x"))
    await past_the_horizon(store)
    stored = [json.loads(row["data"]) for row in await link.fetch(_STORED, m.bucket, p.id)]
    assert stored == [["sent", "checking", "unresolved", 0], ["paid", "paid", "received", 0]]
    rows = (await store.events(m.id)).rows
    assert [row.data for row in rows] == facts
    assert [list(row.data) for row in rows] == [sorted(one, key=lambda name: (len(name), name)) for one in facts]
    assert [row.data for row in (await store.events(m.id, subject=p.id)).rows] == facts
    one = await store.event(m.id, rows[1].id)
    assert one is not None and one.data == facts[1]
    (claimed,) = [one for one in await store.claim_endpoints(tick(), 50, 60_000) if one.id == endpoint.id]
    _, wanted, _ = await store.wanted(claimed, tick(), 10)
    assert [one.event.data for one in wanted] == facts
    assert await store.send_one(claimed, rows[0].id, 1)
    _, wanted, _ = await store.wanted(claimed, tick(), 10)
    assert [one.event.data for one in wanted] == [facts[0], *facts]
    assert await store.remove_endpoint(m.id, endpoint.id)  # the pumps of other tests serve whoever has waited longest


_OTHERS: list[dict[str, Any]] = [
    {"amount": 5}, {"till": "another"}, {"channel": "another"}, {"merchant_order_no": "another"}, {"currency": "USD"},
    {"payment": "another"}, {"more": 1},
]  # fmt: skip


@pytest.mark.parametrize("other", [*_OTHERS, None], ids=str)
async def test_an_event_that_says_anything_else_is_kept_as_it_is(
    store: PgStore, link: asyncpg.Connection, other: dict[str, Any] | None
) -> None:
    begun = told(step(attempt(merchant()), State.SENT), "payment.created")
    p, (said,) = begun.payment, begun.events
    data = {**said.data, **other} if other is not None else {"payment": p.id}
    await store.apply(replace(begun, events=(replace(said, data=data),)))
    (row,) = (await store.events(p.merchant, subject=p.id)).rows
    assert row.data == data
    assert json.loads(await link.fetchval(_STORED, p.bucket, p.id)) == data


async def test_an_event_of_a_payment_beside_its_own_is_kept_as_it_is(store: PgStore) -> None:
    """A refund's subject is the refund: nothing would be found by it."""
    begun = told(step(attempt(merchant()), State.SENT), "refund.created")
    await store.apply(replace(begun, events=(replace(begun.events[0], subject="rfd_x"),)))
    (row,) = (await store.events(begun.payment.merchant)).rows
    assert (row.subject, row.data) == ("rfd_x", begun.events[0].data)


async def test_the_speaker_is_told_of_a_thin_event(store: PgStore) -> None:
    mer, shop, till = await place(store)
    device = await speaker(store, mer, shop, till)
    p, _ = await paid_as_the_flow_does(store, attempt(mer, till=till, amount=77))
    await past_the_horizon(store)
    await store.announce([mer.bucket], tick())
    (row,) = await store.announcements_of(p.id)
    assert (row.device, row.amount_fen, row.channel, row.kind) == (device.id, 77, "alipay", "paid")


_TIMES = {"done": 10.1, "reused": 0.0, "sent_body": 3, "first_byte": 10.1, "sent_headers": 0.25}
_TRAILS: list[tuple[Any, Any]] = [
    (_TIMES, "115 10.1 0.0 3 10.1 0.25"),
    ({"resolved": 0.1, "connected": 4.0}, "12 0.1 4.0"),
    *((kept, kept) for kept in (
        {"failed": 5.0, "fault": "READ_TIMEOUT"}, {**_TIMES, "fault": "x"}, {"done": "soon"}, {"done": True}, {"done": -1}, {"done": 1e9},
        {"done": None}, {"done": 0.00000001}, {}, None, 5,
    )),
    *((strange, [strange]) for strange in ("115 10.1 0.0 3 10.1 0.25", "x", [1, 2], ["x"], [])),
]  # fmt: skip


async def _kept(store: PgStore, link: asyncpg.Connection, **facts: Any) -> tuple[Evidence, Any]:
    """A line with these facts, as it is read back, once what is read is what was handed in; and its detail as it is stored."""
    begun = step(attempt(merchant()), State.SENT)
    lines = (replace(begun.evidence[0], **facts),)
    p = await store.apply(replace(begun, evidence=lines))
    found = await store.evidence(p.id)
    assert found == list(lines)
    text = await link.fetchval("select detail::text from evidence where bucket = $1 and payment = dz_number($2)", p.bucket, p.id)
    return found[0], json.loads(text)


@pytest.mark.parametrize(("trail", "stored"), _TRAILS, ids=str)
async def test_a_trail_is_read_as_it_was_handed_in(store: PgStore, link: asyncpg.Connection, trail: Any, stored: Any) -> None:
    line, kept = await _kept(store, link, detail={"code": "10000", "of": "nobody", "trail": trail})
    if isinstance(trail, dict):
        assert list(line.detail["trail"]) == sorted(trail, key=lambda name: (len(name), name))
    assert kept["trail"] == stored


_REPLY = {"msg": "Success", "code": "10000", "trade_no": "2026", "total_amount": "12.50"}
_DETAILS: list[tuple[dict[str, Any], Any]] = [
    (_REPLY, "4e|=c|=t|2026|12.50"),
    ({"code": "10001", "msg": "10000", "trail": _TIMES}, "7|115 10.1 0.0 3 10.1 0.25|10001|=c"),
    ({"code": ""}, "2|"),
    ({"respMsg": "成功[0000000]", "origRespCode": "00"}, "400400000000000000|成功[0000000]|00"),
    ({}, {}),
    *((kept, kept) for kept in (
        {**_REPLY, "unheard_of": "x"}, {"code": "a|b"}, {"code": "=c"}, {"code": 10000}, {"code": None}, {"code": ["x"]}, {"announcement": "ann_1"},
    )),
]  # fmt: skip


@pytest.mark.parametrize(("detail", "stored"), _DETAILS, ids=str)
async def test_a_detail_is_read_as_it_was_handed_in(store: PgStore, link: asyncpg.Connection, detail: dict[str, Any], stored: Any) -> None:
    line, kept = await _kept(store, link, code="10000", text="Success", detail=detail)
    assert list(line.detail) == sorted(detail, key=lambda name: (len(name), name))
    assert kept == stored


async def test_our_own_order_number_is_not_stored_again(store: PgStore, link: asyncpg.Connection) -> None:
    begun = step(attempt(merchant()), State.SENT)
    ours, anothers = "DZ" + begun.payment.id[4:], "DZ" + "0" * 26
    for number, stored in ((ours, "=o"), (anothers, anothers)):
        line = replace(begun.evidence[0], detail={"out_trade_no": number})
        assert shortened(line) == "20|" + stored
        assert lengthened("20|" + stored, line.payment, line.code, line.text) == line.detail


_TEXTS = st.text("=|cto 01☂", max_size=4)
_VALUES = _TEXTS | st.none() | st.integers() | st.dictionaries(st.sampled_from(["done", "reused", "x"]), st.integers(0, 9) | _TEXTS)


@given(st.dictionaries(st.sampled_from(["trail", "code", "msg", "why", "out_trade_no", "other"]), _VALUES), _TEXTS, _TEXTS)
def test_whatever_a_line_says_is_read_back(detail: dict[str, Any], code: str, text: str) -> None:
    line = Evidence("pay_" + "0" * 26, 1, 5, "answered", "alipay", code=code, text=text, detail=detail)
    assert lengthened(json.loads(json.dumps(shortened(line))), line.payment, code, text) == detail


async def test_a_number_is_the_ids_letters(link: asyncpg.Connection) -> None:
    ids = [new_id("pay", bucket) for bucket in (0, 7, 255)] + ["pay_" + "0" * 26, "pay_7" + "Z" * 25]
    for ident in ids:
        assert await link.fetchval("select dz_number($1)::text", ident) == str(UUID(number_of(ident)))
        assert await link.fetchval("select dz_payment(dz_number($1))", ident) == ident
    for other in ("pay_8" + "0" * 25, "pay_x", "", "pay_" + "I" * 26, "pay_" + "a" * 26):
        assert await link.fetchval("select dz_number($1)", other) is None
        with pytest.raises(ValueError, match="not a ULID"):
            number_of(other)


async def test_an_id_that_is_none_has_no_story(store: PgStore) -> None:
    assert await store.evidence("pay_x") == []


@pytest.fixture
async def older(tmp_path: Path) -> AsyncIterator[str]:
    """A database as it was before these schemas."""
    shutil.copytree(HERE / "schema", tmp_path / "old" / "schema")
    for file in (tmp_path / "old" / "schema").iterdir():
        if file.name >= "030":
            file.unlink()
    server = Embedded(tmp_path / "d")
    dsn = await server.start()
    await migrate(dsn, tmp_path / "old")
    yield dsn
    await server.stop()


async def _as_before(link: asyncpg.Connection, p: Payment, data: dict[str, Any]) -> None:
    """A payment that begins, as the version before this schema wrote it."""
    text = msgspec.json.encode(asdict(replace(p, version=1, state=State.SENT, evidence_n=1)), enc_hook=str).decode()
    await link.execute("insert into payment select (jsonb_populate_record(null::payment, $1::text::jsonb)).*", text)
    await link.execute(
        "insert into event (bucket, merchant, type, subject, at_ms, data) values ($1, $2, 'payment.created', $3, 5, $4::text::jsonb)",
        p.bucket, p.merchant, p.id, json.dumps(data),
    )  # fmt: skip
    await link.execute(
        "insert into evidence (bucket, payment, n, at_ms, kind, who, op, proves, code, text, refund, detail) values"
        " ($1, $2, 1, 5, 'answered', 'alipay', 'pay', '', '', '', '', $3::text::jsonb)", p.bucket, p.id, json.dumps({"trail": _TIMES}),
    )  # fmt: skip
    await link.execute(
        "insert into idempotency (bucket, merchant, key, fingerprint, made, at_ms) values ($1, $2, $3, $4, $5, 5)",
        p.bucket, p.merchant, "钥匙 1", "ab" * 32, p.id,
    )  # fmt: skip
    await link.execute(
        "insert into transfer (bucket, payment, merchant, kind, debit, credit, amount_fen, at_ms) values"
        " ($1, $2, $3, 'doubt', 'in_doubt:alipay', 'suspense', $4, 5)", p.bucket, p.id, p.merchant, p.amount_fen,
    )  # fmt: skip


async def test_a_database_with_rows_goes_on(older: str) -> None:
    p = attempt(merchant(), "before")
    data = event("payment.created", p, NOW).data
    link = await asyncpg.connect(older)
    await _as_before(link, p, data)
    assert "030_fewer_bytes.sql" in await migrate(older)
    assert await migrate(older) == []
    store = await PgStore.open(older, Seal(b"k" * 32))
    try:
        found = await store.payment(p.id)
        assert found == replace(p, version=1, state=State.SENT, evidence_n=1)
        for asked in ({}, {"till": p.till}, {"state": "sent"}, {"order_no": "before"}):
            assert (await store.payments(p.merchant, **asked)).rows == [found]
        ended = told(step(found, State.PAID), "payment.paid")
        await store.apply(ended)
        assert [row.data for row in (await store.events(p.merchant)).rows] == [data, ended.events[0].data]
        postings = await link.fetch("select seq, kind, amount_fen from transfer where bucket = $1 and payment = dz_number($2) order by seq", p.bucket, p.id)
        assert [tuple(row) for row in postings] == [(1, "doubt", 1250), (2, "capture", 1250), (3, "earned", 1250)]
        assert (await store.evidence(p.id))[0].detail == {"trail": _TIMES}
        assert await store.key(p.merchant, "钥匙 1") == (Key("钥匙 1", "ab" * 32), p.id)
        for other in (("mer_x", "钥匙 1"), (p.merchant, "钥匙 2"), (p.merchant + " 钥匙", "1")):
            assert await store.key(*other) is None
        with pytest.raises(KeyUsed) as used:
            await store.apply(step(attempt(merchant(), bucket=p.bucket, merchant=p.merchant), State.SENT, key=Key("钥匙 1", "0" * 64)))
        assert (used.value.made, used.value.fingerprint) == (p.id, "ab" * 32)
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await link.execute("delete from transfer")
    finally:
        await store.close()
        await link.close()
