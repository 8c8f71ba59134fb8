"""The sandbox's page in a real browser: a payer pays a QR by hand, and the books change before our eyes."""

import json
from pathlib import Path

import pytest
import segno

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


_SIDE = 480
# Chromium of a desktop has no reader of codes behind its camera: in its place stands one that takes the picture out of the
# very video and reads the squares of the code that we hold before the camera; everything else is the browser's own.
_READER = """
globalThis.BarcodeDetector = class {
  static async getSupportedFormats() { return ["qr_code"]; }
  async detect(view) {
    const canvas = new OffscreenCanvas(view.videoWidth, view.videoHeight);
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(view, 0, 0);
    const side = HELD.length, step = Math.min(view.videoWidth, view.videoHeight) / side;
    const left = (view.videoWidth - side * step) / 2, top = (view.videoHeight - side * step) / 2;
    const seen = HELD.map((row, y) => [...row].map((_, x) => pen.getImageData(left + (x + .5) * step, top + (y + .5) * step, 1, 1).data[0] < 128 ? "1" : "0").join(""));
    return seen.every((row, y) => row === HELD[y]) ? [{ rawValue: TEXT }] : [];
  }
};
const HELD = %s, TEXT = %s;
"""


def film(text: str, file: Path) -> list[str]:
    """A picture of a QR as a film for the browser's false camera; its squares, the quiet edge included."""
    rows = ["".join(map(str, row)) for row in segno.make_qr(text, error="m").matrix_iter(border=4)]
    picture = bytes(16 if rows[y * len(rows) // _SIDE][x * len(rows) // _SIDE] == "1" else 235 for y in range(_SIDE) for x in range(_SIDE))
    frame = b"FRAME\n" + picture + b"\x80" * (_SIDE * _SIDE // 2)
    file.write_bytes(f"YUV4MPEG2 W{_SIDE} H{_SIDE} F10:1 Ip A1:1 C420mpeg2\n".encode() + frame * 10)
    return rows


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_a_qr_before_the_camera_is_paid(alone: Alone, till: Till, tmp_path: Path, lang: str) -> None:
    payment = till.payment(method=Method.PAY_BY_QR)
    shown = till.ask(Op.PAY, payment)
    rows = film(shown.qr, tmp_path / "film.y4m")
    camera = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={tmp_path / 'film.y4m'}")
    async with tab(tmp_path / "profile", *camera) as page:
        await page.open(f"http://127.0.0.1:{alone.base_port + 7}/?lang={lang}#{alone.token}", 360, 800, _READER % (json.dumps(rows), json.dumps(shown.qr)))
        await page.until("document.querySelector('#picture svg') !== null")
        await page.run(WALLET.format("wallet", till.channel.name))
        await page.until(f"document.querySelector('#wallets input[value={till.channel.name}]').checked && !document.querySelector('#camera').disabled")
        assert await page.run("document.querySelector('#noCamera').hidden")
        await page.run("document.querySelector('#camera').click()")
        await page.until("!document.querySelector('#ask').hidden")
        assert await page.run("document.querySelector('#view').hidden && document.querySelector('#askAmount').textContent") == "¥12.50"
        await page.run("document.querySelector('#pin').value = '123456'; document.querySelector('#pay').click()")
        await page.until("document.querySelector('#ask').hidden")
        assert page.faults == []
    assert till.ask(Op.QUERY, payment).proves is Proves.CAPTURED


async def test_a_browser_that_cannot_read_codes_says_so_and_pasting_is_left(alone: Alone, tmp_path: Path) -> None:
    """The reader is there by name, and has nothing behind it."""
    empty = "globalThis.BarcodeDetector = class { static async getSupportedFormats() { return []; } };"
    async with tab(tmp_path / "profile") as page:
        await page.open(f"http://127.0.0.1:{alone.base_port + 7}/?lang=en#{alone.token}", 360, 800, empty)
        await page.until("document.querySelector('#picture svg') !== null")
        assert await page.run("document.querySelector('#camera').disabled && !document.querySelector('#noCamera').hidden")
