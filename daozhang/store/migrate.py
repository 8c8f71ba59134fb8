"""Bringing a database to this code's schema: numbered files once, functions whenever they change."""

import hashlib
from pathlib import Path

import asyncpg

from daozhang.core.faults import Fault

HERE = Path(__file__).parent
_LOCK = 0x64617A68  # one migration at a time, across processes
_LEDGER = """
create table if not exists schema_step (
    name text primary key, sha256 text not null, at timestamptz not null default clock_timestamp() -- lease
)
"""


class WrongSchema(Fault):
    """The database and the code do not fit together; the text says what to do."""


async def migrate(dsn: str, folder: Path = HERE) -> list[str]:
    """Apply what is missing, each file in one transaction; the names that were applied. Raises WrongSchema."""
    steps = sorted((folder / "schema").glob("*.sql"))
    functions = sorted((folder / "queries").glob("*.sql"))
    link = await asyncpg.connect(dsn, timeout=10)
    try:
        await link.fetch("select pg_advisory_lock($1::bigint)", _LOCK)
        await link.execute(_LEDGER)
        known = {row["name"]: row["sha256"] for row in await link.fetch("select name, sha256 from schema_step")}
        _check(known, {file.name for file in steps}, steps)
        applied = []
        for file in steps + functions:
            text = file.read_text("utf-8")
            mark = hashlib.sha256(text.encode()).hexdigest()
            if known.get(file.name) == mark:
                continue
            async with link.transaction():
                await link.execute(text)
                await link.execute(
                    "insert into schema_step (name, sha256) values ($1, $2) "
                    "on conflict (name) do update set sha256 = excluded.sha256",
                    file.name,
                    mark,
                )
            applied.append(file.name)
        return applied
    finally:
        await link.close()


def _check(known: dict[str, str], ours: set[str], steps: list[Path]) -> None:
    newer = sorted(name for name in known if name[:3].isdigit() and name not in ours)
    if newer:
        raise WrongSchema(f"the database has {newer[-1]}, which this version does not know: start the newer version")
    for file in steps:
        mark = hashlib.sha256(file.read_bytes()).hexdigest()
        if file.name in known and known[file.name] != mark:
            raise WrongSchema(f"{file.name} was changed after it had been applied: restore it and add a new file")
