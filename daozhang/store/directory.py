"""Merchants, stores, tills, keys and channel accounts in PostgreSQL. Every read names the merchant that may see it."""

from typing import Any

import asyncpg
import msgspec

from daozhang.core.directory import ApiKey, Merchant, Page, Shop, Till
from daozhang.core.ids import bucket_of_merchant, bucket_of_ulid, split
from daozhang.core.ports import AccountRow
from daozhang.store.seal import Seal

_MERCHANT = "id, bucket, name, livemode, created_ms, late_policy, late_after_s, trade, settlement_mode"
_SHOP = "id, bucket, merchant, name, created_ms"
_TILL = "id, bucket, merchant, shop as store, name, created_ms"
_KEY = "id, bucket, merchant, livemode, scopes, sha256, created_ms, revoked_ms, version"
_ACCOUNT = "id, bucket, merchant, channel, livemode, fee_rate, settings, sealed"


class PgDirectory:
    """Mixed into the store; needs its pool and seal."""

    _pool: asyncpg.Pool
    _seal: Seal

    async def add_merchant(self, merchant: Merchant) -> None:
        await self._pool.execute(
            "insert into merchant (id, bucket, name, livemode, created_ms, late_policy, late_after_s, trade,"
            " settlement_mode) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            merchant.id, merchant.bucket, merchant.name, merchant.livemode, merchant.created_ms, merchant.late_policy,
            merchant.late_after_s, merchant.trade, merchant.settlement_mode,
        )  # fmt: skip

    async def change_merchant(self, merchant: Merchant) -> None:
        await self._pool.execute(
            "update merchant set name = $3, late_policy = $4, late_after_s = $5, trade = $6"
            " where bucket = $1 and id = $2",
            merchant.bucket, merchant.id, merchant.name, merchant.late_policy, merchant.late_after_s, merchant.trade,
        )  # fmt: skip

    async def merchant(self, merchant_id: str) -> Merchant | None:
        row = await self._pool.fetchrow(
            f"select {_MERCHANT} from merchant where bucket = $1 and id = $2",
            bucket_of_merchant(merchant_id),
            merchant_id,
        )
        return Merchant(**row) if row else None

    async def merchants(self, cursor: str, limit: int) -> Page:
        rows = await self._pool.fetch(
            f"select {_MERCHANT} from merchant where id > $1 order by id limit $2", cursor, limit + 1
        )
        return page([Merchant(**row) for row in rows], limit)

    async def add_shop(self, shop: Shop) -> None:
        await self._pool.execute(
            "insert into shop (id, bucket, merchant, name, created_ms) values ($1, $2, $3, $4, $5)",
            shop.id, shop.bucket, shop.merchant, shop.name, shop.created_ms,
        )  # fmt: skip

    async def shop(self, merchant: str, shop_id: str) -> Shop | None:
        row = await self._pool.fetchrow(
            f"select {_SHOP} from shop where bucket = $1 and id = $2 and merchant = $3",
            bucket_of_merchant(merchant), shop_id, merchant,
        )  # fmt: skip
        return Shop(**row) if row else None

    async def shops(self, merchant: str, cursor: str, limit: int) -> Page:
        rows = await self._pool.fetch(
            f"select {_SHOP} from shop where bucket = $1 and merchant = $2 and id > $3 order by id limit $4",
            bucket_of_merchant(merchant), merchant, cursor, limit + 1,
        )  # fmt: skip
        return page([Shop(**row) for row in rows], limit)

    async def add_till(self, till: Till) -> None:
        await self._pool.execute(
            "insert into till (id, bucket, merchant, shop, name, created_ms) values ($1, $2, $3, $4, $5, $6)",
            till.id, till.bucket, till.merchant, till.store, till.name, till.created_ms,
        )  # fmt: skip

    async def till(self, merchant: str, till_id: str) -> Till | None:
        row = await self._pool.fetchrow(
            f"select {_TILL} from till where bucket = $1 and id = $2 and merchant = $3",
            bucket_of_merchant(merchant), till_id, merchant,
        )  # fmt: skip
        return Till(**row) if row else None

    async def tills(self, merchant: str, cursor: str, limit: int) -> Page:
        rows = await self._pool.fetch(
            f"select {_TILL} from till where bucket = $1 and merchant = $2 and id > $3 order by id limit $4",
            bucket_of_merchant(merchant), merchant, cursor, limit + 1,
        )  # fmt: skip
        return page([Till(**row) for row in rows], limit)

    async def add_key(self, key: ApiKey) -> None:
        await self._pool.execute(
            "insert into api_key (id, bucket, merchant, livemode, scopes, sha256, created_ms, revoked_ms,"
            " version) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            key.id, key.bucket, key.merchant, key.livemode, sorted(key.scopes), key.sha256, key.created_ms, key.revoked_ms,
            key.version,
        )  # fmt: skip

    async def key_by_hash(self, sha256: str) -> ApiKey | None:
        row = await self._pool.fetchrow(f"select {_KEY} from api_key where sha256 = $1 and revoked_ms = 0", sha256)
        return _key_of(row) if row else None

    async def keys(self, merchant: str) -> list[ApiKey]:
        rows = await self._pool.fetch(
            f"select {_KEY} from api_key where bucket = $1 and merchant = $2 order by id",
            bucket_of_merchant(merchant), merchant,
        )  # fmt: skip
        return [_key_of(row) for row in rows]

    async def revoke_key(self, merchant: str, key_id: str, at_ms: int) -> bool:
        done = await self._pool.execute(
            "update api_key set revoked_ms = $4 where bucket = $1 and merchant = $2 and id = $3 and revoked_ms = 0",
            bucket_of_merchant(merchant), merchant, key_id, at_ms,
        )  # fmt: skip
        return bool(done == "UPDATE 1")

    async def add_account(self, account: AccountRow, sealed: bytes) -> None:
        await self._pool.execute(
            "insert into channel_account (id, bucket, merchant, channel, livemode, fee_rate, settings, sealed)"
            " values ($1, $2, $3, $4, $5, $6, $7::text::jsonb, $8)",
            account.id, account.bucket, account.merchant, account.channel, account.livemode, account.fee_rate,
            msgspec.json.encode(account.settings).decode(), sealed,
        )  # fmt: skip

    async def accounts(self, merchant: str) -> list[AccountRow]:
        rows = await self._pool.fetch(
            f"select {_ACCOUNT} from channel_account where bucket = $1 and merchant = $2 order by id",
            bucket_of_merchant(merchant), merchant,
        )  # fmt: skip
        return [self._account_of(row) for row in rows]

    async def account_for(self, merchant: str, channel: str, livemode: bool) -> AccountRow | None:
        row = await self._pool.fetchrow(
            f"select {_ACCOUNT} from channel_account where bucket = $1 and merchant = $2 and channel = $3"
            " and livemode = $4 order by id desc limit 1",
            bucket_of_merchant(merchant), merchant, channel, livemode,
        )  # fmt: skip
        return self._account_of(row) if row else None

    async def accounts_by_app(self, channel: str, app_id: str) -> list[AccountRow]:
        rows = await self._pool.fetch(
            f"select {_ACCOUNT} from channel_account where channel = $1 and settings ->> 'app_id' = $2 order by id desc"
            " limit 20",
            channel, app_id,
        )  # fmt: skip
        return [self._account_of(row) for row in rows]

    async def account(self, account_id: str) -> AccountRow | None:
        try:
            bucket = bucket_of_ulid(split(account_id, "acc"))
        except ValueError:
            return None
        row = await self._pool.fetchrow(
            f"select {_ACCOUNT} from channel_account where bucket = $1 and id = $2", bucket, account_id
        )
        return self._account_of(row) if row else None

    def _account_of(self, row: Any) -> AccountRow:
        values = dict(row)
        sealed = values.pop("sealed")
        values["settings"] = msgspec.json.decode(values["settings"])
        return AccountRow(**values, secrets=self._seal.open(values["id"], sealed))


def _key_of(row: Any) -> ApiKey:
    return ApiKey(**{**row, "scopes": frozenset(row["scopes"])})


def page(rows: list[Any], limit: int) -> Page:
    """One row more than asked for was read: it says whether there is more."""
    more = len(rows) > limit
    return Page(rows[:limit], rows[limit - 1].id if more else "", more)
