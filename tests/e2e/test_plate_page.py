"""A code plate in a real browser: scanned with the payer's phone, an amount typed on the page, paid on the phone, told on the page."""

import asyncio
from pathlib import Path

import pytest

from daozhang.core.verdict import Verdict
from daozhang.diagnosis.verdicts import VERDICT
from tests.conftest import System
from tests.sandbox.browser import tab

pytestmark = pytest.mark.prove
_TYPED = "document.querySelector('#amount').value = {!r}; document.querySelector('#order').requestSubmit()"


@pytest.mark.parametrize(("lang", "width", "wallet"), [("zh", 360, "wechatpay"), ("en", 1440, "alipay"), ("zh", 1440, "unionpay"), ("en", 360, "wechatpay")])
async def test_from_the_plate_to_the_money(system: System, tmp_path: Path, lang: str, width: int, wallet: str) -> None:
    system.calm()
    token = (system.data / "sandbox" / "control.token").read_text()
    url = system.call("GET", f"/v1/tills/{system.state['till']}/plate")[1]["url"]
    sandbox, ours = f"http://127.0.0.1:{system.base_port + 7}", f"http://127.0.0.1:{system.base_port}"
    async with tab(tmp_path / "phone") as phone, tab(tmp_path / "page") as page:
        await phone.open(f"{sandbox}/?lang={lang}#{token}", width, 800)
        await phone.until("document.querySelector('#picture svg') !== null")
        await phone.run(f"document.querySelector('#wallets input[value={wallet}]').click()")
        await phone.until(f"document.querySelector('#wallets input[value={wallet}]').checked && document.querySelector('#digits').textContent !== ''")
        await asyncio.sleep(1)
        await phone.run(f"document.querySelector('#qr').value = {url!r}; document.querySelector('#scan').requestSubmit()")
        await phone.until("!document.querySelector('#plateLine').hidden")
        await page.open(await phone.run("document.querySelector('#plateLink').href"), width, 800)
        await page.until("document.querySelector('#order')?.hidden === false")
        assert await page.run("document.documentElement.lang") == lang and await page.run("document.querySelector('#wallets').hidden")
        await page.run(_TYPED.format("12.345"))
        assert await page.run("document.querySelector('#wrong').textContent") and await page.run("document.activeElement.id") == "amount"
        await page.run(_TYPED.format("12.5"))
        await page.until("!document.querySelector('#result').hidden && document.querySelector('#number').textContent !== ''")
        assert await page.run("document.querySelector('#sum').textContent") == "¥12.50"
        number = await page.run("document.querySelector('#number').textContent")
        await phone.run(f"document.querySelector('#qr').value = {number!r}; document.querySelector('#scan').requestSubmit()")
        await phone.until("!document.querySelector('#ask').hidden")
        assert await phone.run("document.querySelector('#askAmount').textContent") == "¥12.50"
        await phone.run("document.querySelector('#pin').value = '123456'; document.querySelector('#pay').click()")
        await page.until("!document.querySelector('#again').hidden", 900)
        verdict = await page.run("document.querySelector('#verdict').textContent")
        assert verdict == VERDICT[Verdict.PAID][lang] and await page.run("document.querySelector('#hand').hidden")
        for one, base in ((page, ours), (phone, sandbox)):
            assert await one.run("document.documentElement.scrollWidth") <= width, "nothing is wider than the screen"
            assert [asked for asked in one.asked if not asked.startswith((base, "data:"))] == [] and one.faults == []
