"""Who is who, and that nobody reads the rows of another (P12)."""

from dataclasses import replace

import pytest

from daozhang.core.directory import ApiKey, Merchant, Shop, Till
from daozhang.core.faults import Conflict
from daozhang.core.must import Broken
from daozhang.core.ports import AccountRow
from daozhang.store.seal import BadMasterKey, Seal
from daozhang.store.store import PgStore
from tests.store.kit import NOW, merchant, new_id


async def opened(store: PgStore) -> Merchant:
    made = merchant()
    await store.add_merchant(made)
    return made


async def test_merchants_shops_and_tills(store: PgStore) -> None:
    m, other = await opened(store), await opened(store)
    assert await store.merchant(m.id) == m
    changed = replace(m, name="新名字", late_policy="keep", late_after_s=60, trade="consumed")
    await store.change_merchant(changed)
    assert await store.merchant(m.id) == changed
    shops = [Shop(new_id("sto", m.bucket), m.bucket, m.id, f"门店{at}", NOW) for at in range(3)]
    for shop in shops:
        await store.add_shop(shop)
    tills = [Till(new_id("till", m.bucket), m.bucket, m.id, shops[0].id, f"{at}号", NOW) for at in range(3)]
    for till in tills:
        await store.add_till(till)
    assert await store.shop(m.id, shops[1].id) == shops[1]
    assert await store.till(m.id, tills[1].id) == tills[1]
    assert await store.shop(other.id, shops[1].id) is None
    assert await store.till(other.id, tills[1].id) is None
    page = await store.shops(m.id, "", 2)
    assert (page.rows, page.has_more) == (shops[:2], True)
    assert (await store.shops(m.id, page.next_cursor, 2)).rows == shops[2:]
    assert (await store.tills(m.id, "", 9)).rows == tills
    assert (await store.tills(other.id, "", 9)).rows == []
    found = []
    cursor = ""
    for _ in range(1000):
        everybody = await store.merchants(cursor, 50)
        found += [row.id for row in everybody.rows]
        cursor = everybody.next_cursor
        if not everybody.has_more:
            break
    assert found == sorted(found)
    assert {m.id, other.id} <= set(found)


async def test_nothing_twice_and_nothing_of_nobody(store: PgStore) -> None:
    m = await opened(store)
    with pytest.raises(Conflict):
        await store.add_merchant(m)
    with pytest.raises(Broken):
        await store.add_shop(Shop(new_id("sto", 5), 5, "mer_nobody", "x", NOW))
    with pytest.raises(Broken):
        await store.add_till(Till(new_id("till", m.bucket), m.bucket, m.id, "sto_nobody", "x", NOW))
    for wrong in (
        replace(merchant(), late_policy="?"),
        replace(merchant(), name="nul \0"),
        replace(merchant(), name="\ud83d"),
    ):
        with pytest.raises(Broken):
            await store.add_merchant(wrong)


async def test_keys_are_found_by_hash_until_they_are_revoked(store: PgStore) -> None:
    m, other = await opened(store), await opened(store)
    sha256 = new_id("x", 1)[2:].lower().encode().hex()[:64].ljust(64, "0")
    key = ApiKey(new_id("key", m.bucket), m.bucket, m.id, False, frozenset({"payments", "refunds"}), sha256, NOW)
    await store.add_key(key)
    assert await store.key_by_hash(sha256) == key
    assert await store.keys(m.id) == [key]
    assert await store.keys(other.id) == []
    assert not await store.revoke_key(other.id, key.id, NOW + 1)
    assert await store.revoke_key(m.id, key.id, NOW + 1)
    assert not await store.revoke_key(m.id, key.id, NOW + 2)
    assert await store.key_by_hash(sha256) is None
    assert await store.keys(m.id) == [replace(key, revoked_ms=NOW + 1)]


async def test_accounts_open_with_the_key_that_sealed_them(store: PgStore, dsn: str) -> None:
    m = await opened(store)
    secrets = {"app_private_key": "-----BEGIN"}
    app = new_id("app", 0)
    made = [
        AccountRow(new_id("acc", m.bucket), m.bucket, m.id, "alipay", live, 600, {"app_id": app, "n": 1}, secrets)
        for live in (False, True, False)
    ]
    for row in made:
        await store.add_account(row, store._seal.close(row.id, secrets))
    assert await store.account(made[0].id) == made[0]
    assert await store.accounts(m.id) == made
    assert await store.account_for(m.id, "alipay", True) == made[1]
    assert await store.account_for(m.id, "alipay", False) == made[2]
    assert await store.account_for(m.id, "wechatpay", False) is None
    assert await store.accounts_by_app("alipay", app) == made[::-1]
    assert "BEGIN" not in repr(made[0])
    stranger = await PgStore.open(dsn, Seal(b"x" * 32))
    try:
        with pytest.raises(BadMasterKey):
            await stranger.account(made[0].id)
    finally:
        await stranger.close()
