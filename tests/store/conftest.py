"""One real PostgreSQL for all tests of the store; every test has merchants of its own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from daozhang.store.embedded import Embedded
from daozhang.store.migrate import migrate
from daozhang.store.seal import Seal
from daozhang.store.store import PgStore


@pytest.fixture(scope="session")
def dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = Embedded(tmp_path_factory.mktemp("pg") / "d")
    with asyncio.Runner() as runner:
        where = runner.run(server.start())
        runner.run(migrate(where))
        yield where
        runner.run(server.stop())


@pytest.fixture
async def store(dsn: str) -> AsyncIterator[PgStore]:
    opened = await PgStore.open(dsn, Seal(b"k" * 32))
    yield opened
    await opened.close()


@pytest.fixture
async def link(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(dsn)
    yield opened
    await opened.close()


@pytest.fixture
async def own_server(tmp_path: Path) -> AsyncIterator[Embedded]:
    """A server that a test may kill."""
    server = Embedded(tmp_path / "d")
    await migrate(await server.start())
    yield server
    await server.stop()
