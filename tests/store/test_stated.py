"""What was told, in real PostgreSQL: the latest word holds, and a version keeps its first time."""

from daozhang.core.ids import bucket_of_merchant
from daozhang.core.stated import Release, Stated
from daozhang.store.store import PgStore
from tests.store.kit import NOW, new_id


async def test_the_latest_word_holds_and_merchants_stay_apart(store: PgStore) -> None:
    merchant = new_id("mer", 7)
    one = Stated(bucket_of_merchant(merchant), merchant, "settlement_account", {"hold": True, "closed_days": ["2026-10-01"]}, NOW, "key:1")
    assert await store.stated(merchant, one.subject) is None
    await store.state(one)
    assert await store.stated(merchant, one.subject) == one
    later = Stated(one.bucket, merchant, one.subject, {"hold": None}, NOW + 1, "key:2")
    await store.state(later)
    assert await store.stated(merchant, one.subject) == later
    assert await store.stated(new_id("mer", 7), one.subject) is None and await store.stated(merchant, "till_1") is None


async def test_a_version_keeps_its_first_time(store: PgStore) -> None:
    version = new_id("v", 0)
    assert await store.note_release(Release(version, NOW, "start"))
    assert not await store.note_release(Release(version, NOW + 5, "start"))
    found = [one for one in await store.releases(10_000) if one.version == version]
    assert found == [Release(version, NOW, "start")]
