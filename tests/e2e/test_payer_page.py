"""The page behind a receipt's QR in a real browser: read from the printed picture, it changes by itself when the truth comes."""

import asyncio
from pathlib import Path

import pytest

from tests.conftest import System
from tests.sandbox.browser import tab

pytestmark = pytest.mark.prove
# Every visible text against what lies behind it (WCAG 1.4.3: 4.5 to 1, 3 for large letters), and the size of what is touched (2.5.8).
_UNREADABLE = """(() => {
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => { const [r, g, b] = rgb.slice(0, 3).map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (one) => { for (let at = one; at; at = at.parentElement) { const rgb = parts(getComputedStyle(at).backgroundColor); if (rgb.length < 4 || rgb[3] > 0) return rgb; } return [255, 255, 255]; };
  const bad = [];
  for (const one of document.querySelectorAll("body *")) {
    if (!one.checkVisibility() || ![...one.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    const style = getComputedStyle(one), [a, b] = [light(parts(style.color)), light(behind(one))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if ((a + 0.05) / (b + 0.05) < (large ? 3 : 4.5)) bad.push(`${one.tagName} ${one.textContent} ${style.color}`);
  }
  for (const one of document.querySelectorAll("a, button")) { const box = one.getBoundingClientRect(); if (box.width < 24 || box.height < 24) bad.push(`small ${one.textContent}`); }
  return bad;
})()"""
_STRUCTURE = """(() => {
  const heads = [...document.querySelectorAll("h1, h2")].map((one) => one.tagName);
  const twice = [...document.querySelectorAll("[id]")].map((one) => one.id).filter((id, at, all) => all.indexOf(id) !== at);
  return { h1: heads.filter((one) => one === "H1").length, first: heads[0], main: document.querySelectorAll("main").length, twice,
           status: document.querySelector("#state").getAttribute("role"), lang: document.documentElement.lang, title: document.title };
})()"""


@pytest.mark.parametrize(("lang", "width"), [("zh", 320), ("en", 320), ("zh", 1440), ("en", 1440)])
async def test_it_changes_when_the_truth_comes(system: System, tmp_path: Path, lang: str, width: int) -> None:
    system.chaos("lost_after", op="pay")
    system.chaos("notify_lost")
    system.chaos("lost_before", op="query")
    made = await asyncio.to_thread(system.pay, wait_s=0.5)
    url = str(system.call("GET", f"/v1/receipts/{made['id']}")[1]["qr"])
    ours = f"http://127.0.0.1:{system.base_port}"
    async with tab(tmp_path / "phone", f"--lang={lang}") as page:
        await page.open(f"{url}?lang={lang}", width, 800)
        await page.until("document.readyState === 'complete' && document.querySelector('#state') !== null")
        words = {"zh": "还没查到结果,请不要再付", "en": "Not known yet: do not pay again"}
        assert await page.run("document.querySelector('#state').textContent") == words[lang]
        told = await page.run(_STRUCTURE)
        assert (told["h1"], told["first"], told["main"], told["twice"], told["status"], told["lang"]) == (1, "H1", 1, [], "status", lang)
        assert "12.50" not in told["title"]
        await page.run("document.querySelector('#state').seen = true")
        assert await page.run(_UNREADABLE) == []
        system.calm()
        assert (await asyncio.to_thread(system.until_decided, made["id"]))["verdict"] == "paid"
        await page.until("document.querySelector('#state').dataset.kind === 'paid'")
        assert await page.run("document.querySelector('#state').textContent") == {"zh": "付款成功", "en": "Paid"}[lang]
        assert await page.run("document.querySelector('#state').seen"), "the same place, so that a screen reader says it"
        assert await page.run("document.querySelector('#next').hidden") and await page.run(_UNREADABLE) == []
        assert await page.run("document.documentElement.scrollWidth") <= width
        assert [asked for asked in page.asked if not asked.startswith((ours, "data:"))] == [] and page.faults == []


async def test_it_is_whole_without_a_script(system: System, tmp_path: Path) -> None:
    made = await asyncio.to_thread(system.pay)
    url = str(system.call("GET", f"/v1/receipts/{made['id']}")[1]["qr"])
    async with tab(tmp_path / "phone") as page:
        await page.call("Emulation.setScriptExecutionDisabled", value=True)
        await page.open(f"{url}?lang=zh", 320, 640)
        await page.until("document.querySelector('#state') !== null")  # the debugger may still ask
        shown = await page.run("document.body.innerText")
        assert "付款成功" in shown and "¥12.50" in shown and "再看一次" in shown
        assert [asked for asked in page.asked if asked.endswith("page.js")] == []
