"""docs/faults.md and docs/faults.en.md, made from the table that the command line stages from.

``python tools/faults.py`` writes both; tests/tools/test_papers.py holds them to the code.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from daozhang.channels.shelf import Shelf  # noqa: E402
from daozhang.sandbox import staged, staged_devices  # noqa: E402

_HEAD = {
    "zh": (
        "# 故障表:一条命令布置,每个人看到什么",
        "在沙箱里布置一个故障,然后收一笔,看各人看到什么。`alipay` 可换成表里列出的其他渠道;`daozhang chaos off` 全部恢复;"
        "时间太长的,用 `daozhang clock advance` 拨快。二维码一行,付款人扫码:`daozhang sandbox scan 二维码 --wallet 渠道`。",
        "| 编号 | 故障 | 渠道 | 布置 | 收一笔 | 收银台与顾客 | 店主与工程师 |",
        "## 店里设备的故障",
        "每条命令带来一台模拟设备,放在新的收银台上;F26、F31 和 F50 自己去做、自己核对,不成立时退出码为1。其他的一直运行到按 Ctrl-C,或加 `--for 秒数`。"
        "坏镜像(F31):`daozhang rollout create`,见[设备与云喇叭](devices.md)。",
        "| 编号 | 故障 | 布置 | 收银台与顾客 | 店主与工程师 |",
        "## 每个渠道的全部故障",
        "`daozhang chaos channel 渠道 --mode 名称 [--op 操作] [--share 0.5] [--for 30s] [--order 单号]`",
        "| 名称 | 故障 | 渠道 |",
        "## 更多有毒的账单",
        "F18 布置的是账单里的坏行。整个文件不可信的(截断、错的哈希、合计不对、压缩炸弹、没有结尾的长行)用文件来试:"
        "`daozhang bill show 文件`;各渠道账单的测试也读入它们。",
    ),
    "en": (
        "# Faults: one command stages each, and what each person sees",
        "Stage a fault in the sandbox, take a payment, and see what each person sees. Any other channel of the row may stand for "
        "`alipay`; `daozhang chaos off` makes everything well; what takes too long is shortened by `daozhang clock advance`. "
        "A QR is scanned by `daozhang sandbox scan QR --wallet CHANNEL`.",
        "| no. | fault | channels | stage it | take a payment | till and payer | owner and engineer |",
        "## Faults of the shop's devices",
        "Each command brings a simulated device at a new till; F26, F31 and F50 do it and check by themselves, and end with exit code 1 when it does not "
        "hold. The others run until Ctrl-C, or with `--for SECONDS`. A bad image (F31): `daozhang rollout create`, "
        "see [devices and speakers](devices.en.md).",
        "| no. | fault | stage it | till and payer | owner and engineer |",
        "## Every fault of each channel",
        "`daozhang chaos channel CHANNEL --mode NAME [--op OPERATION] [--share 0.5] [--for 30s] [--order NUMBER]`",
        "| name | fault | channels |",
        "## More poisoned bills",
        "F18 stages bad lines. A file that cannot be believed as a whole (cut off, a wrong hash, wrong totals, a zip bomb, a line "
        "without an end) is tried as a file: `daozhang bill show FILE`; the tests of each channel's bill read them too.",
    ),
}


def document(language: str) -> str:
    """One of the two papers."""
    title, how, faults, devices_title, devices_how, devices, modes_title, modes_how, modes, rest_title, rest = _HEAD[language]
    lines = [title, "", how, "", faults, "|---|---|---|---|---|---|---|"]
    for one in staged.STAGED:
        first = one.channels[0]
        where = " ".join(staged.short(channel) for channel in one.channels)
        words = [one.zh, one.till_zh, one.office_zh] if language == "zh" else [one.en, one.till_en, one.office_en]
        shows = "; ".join(f"`{typed}`" for typed in (one.payment(first), *one.after(first)))
        lines.append(f"| {one.number} | {words[0]} | {where} | `{one.command(first)}` | {shows} | {words[1]} | {words[2]} |")
    lines += ["", devices_title, "", devices_how, "", devices, "|---|---|---|---|---|"]
    for of in staged_devices.STAGED:
        words = [of.zh, of.till_zh, of.office_zh] if language == "zh" else [of.en, of.till_en, of.office_en]
        lines.append(f"| {of.number} | {words[0]} | `{of.command}` | {words[1]} | {words[2]} |")
    lines += ["", modes_title, "", modes_how, "", modes, "|---|---|---|", *_modes(language), "", rest_title, "", rest, ""]
    return "\n".join(lines)


def _modes(language: str) -> list[str]:
    told: dict[str, tuple[str, list[str]]] = {}
    for channel in Shelf.look():
        for row in channel.twin.make_simulated("s", bytes).modes():
            told.setdefault(row["name"], (row[language], []))[1].append(staged.short(channel.name))
    return [f"| `{name}` | {words} | {' '.join(where)} |" for name, (words, where) in told.items()]


def main() -> int:
    for name, language in (("faults.md", "zh"), ("faults.en.md", "en")):
        (ROOT / "docs" / name).write_text(document(language), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
