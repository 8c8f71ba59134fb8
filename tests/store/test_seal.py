"""Secrets at rest: only with the right key, only in the row they were sealed for."""

from pathlib import Path

import pytest

from daozhang.store.seal import BadMasterKey, Seal, open_or_create_master_key


def test_what_is_sealed_opens_only_where_it_belongs() -> None:
    seal = Seal(b"k" * 32)
    sealed = seal.close("acc_1", {"app_private_key": "钥匙"})
    assert seal.open("acc_1", sealed) == {"app_private_key": "钥匙"}
    assert "钥匙".encode() not in sealed
    assert seal.close("acc_1", {"app_private_key": "钥匙"}) != sealed
    for account, text in (("acc_2", sealed), ("acc_1", b""), ("acc_1", sealed[:11])):
        with pytest.raises(BadMasterKey):
            seal.open(account, text)
    for at in range(len(sealed)):
        with pytest.raises(BadMasterKey):
            seal.open("acc_1", sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :])
    with pytest.raises(BadMasterKey):
        Seal(b"x" * 32).open("acc_1", sealed)


def test_the_sandbox_makes_its_own_key_and_live_mode_refuses_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "master.key"
    with pytest.raises(BadMasterKey, match="does not exist"):
        open_or_create_master_key(path, may_create=False)
    first = open_or_create_master_key(path, may_create=True)
    assert path.stat().st_mode & 0o777 == 0o600
    sealed = first.close("acc_1", {"a": "b"})
    assert open_or_create_master_key(path, may_create=True).open("acc_1", sealed) == {"a": "b"}
    with pytest.raises(BadMasterKey, match="made by the sandbox"):
        open_or_create_master_key(path, may_create=False)


@pytest.mark.parametrize("held", ["", "ab", "zz" * 32, "ab" * 31, "ab" * 33, "钥" * 64])
def test_a_master_key_is_64_hex_digits(tmp_path: Path, held: str) -> None:
    path = tmp_path / "key"
    path.write_text(held)
    with pytest.raises(BadMasterKey, match="64 hex digits"):
        open_or_create_master_key(path, may_create=False)
    path.write_text("ab" * 32 + "\n")
    opened = open_or_create_master_key(path, may_create=False)
    assert opened.open("a", opened.close("a", {})) == {}
