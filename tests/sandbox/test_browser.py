"""The sandbox's page in a real browser: a payer pays a QR by hand, and the books change before our eyes."""

from pathlib import Path

import pytest

from daozhang.core.evidence import Op, Proves
from daozhang.core.payment import Method
from tests.sandbox.browser import tab
from tests.sandbox.conftest import Alone, Till

pytestmark = pytest.mark.prove
WALLET = "document.querySelector('#{}s input[value={}]').click()"


@pytest.mark.parametrize(("lang", "width"), [("zh", 360), ("en", 1440)])
async def test_a_payer_pays_a_qr_and_the_books_change(alone: Alone, till: Till, tmp_path: Path, lang: str, width: int) -> None:
    channel = till.channel.name
    payment = till.payment(method=Method.PAY_BY_QR)
    shown = till.ask(Op.PAY, payment)
    base = f"http://127.0.0.1:{alone.base_port + 7}"
    async with tab(tmp_path / "profile") as page:
        await page.open(f"{base}/?lang={lang}#{alone.token}", width, 800)
        await page.until("document.querySelector('#picture svg') !== null")
        assert await page.run("location.hash") == "" and await page.run("document.documentElement.lang") == lang
        await page.run(WALLET.format("wallet", channel) + ";" + WALLET.format("channel", channel))
        await page.until(f"document.querySelector('#behaviour').options.length > 5 && document.querySelector('#wallets input[value={channel}]').checked")
        await page.run(f"document.querySelector('#qr').value = {shown.qr!r}; document.querySelector('#scan').requestSubmit()")
        await page.until("!document.querySelector('#ask').hidden")
        assert await page.run("document.querySelector('#askAmount').textContent") == "¥12.50"
        await page.run("document.querySelector('#pay').click()")
        assert till.ask(Op.QUERY, payment).proves is not Proves.CAPTURED, "without a password nothing is paid"
        await page.run("for (let key = 0; key < 6; key++) document.querySelectorAll('#pad button')[key].click()")
        await page.run("document.querySelector('#pay').click()")
        await page.until("document.querySelector('#ask').hidden")
        number = alone.must("GET", f"/phone?wallet={channel}")["bills"][0]["out_trade_no"]
        for place in ("#bills", "#orders"):
            await page.until(f"document.querySelector('{place} :is(li, tr)').textContent.includes({number!r})")
        await page.until("document.querySelector('#orders tr').children[3].textContent === '¥12.50'")
        assert await page.run("document.documentElement.scrollWidth") <= width, "nothing is wider than the screen"
        assert [url for url in page.asked if not url.startswith((base, "data:"))] == [] and page.faults == []
    assert till.ask(Op.QUERY, payment).proves is Proves.CAPTURED


async def test_a_code_on_the_screen_is_paid_at_a_till_after_the_password(alone: Alone, till: Till, tmp_path: Path) -> None:
    channel = till.channel.name
    async with tab(tmp_path / "profile") as page:
        await page.open(f"http://127.0.0.1:{alone.base_port + 7}/?lang=en#{alone.token}", 1024, 800)
        await page.until("document.querySelector('#picture svg') !== null")
        first = await page.run("document.querySelector('#digits').textContent")
        await page.run(WALLET.format("wallet", channel) + ";document.querySelector('#fresh').click()")
        await page.until(f"document.querySelector('#digits').textContent !== {first!r} && document.querySelector('#wallets input[value={channel}]').checked")
        code = (await page.run("document.querySelector('#digits').textContent")).replace(" ", "")
        assert till.channel.takes_code(code)
        payment = till.payment()
        till.ask(Op.PAY, payment, code)
        await page.until("!document.querySelector('#ask').hidden")
        await page.run("document.querySelector('#pin').value = '123456'; document.querySelector('#pay').click()")
        await page.until("document.querySelector('#ask').hidden")
    assert till.ask(Op.QUERY, payment).proves is Proves.CAPTURED
