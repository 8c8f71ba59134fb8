"""A drill's page: one file of HTML without scripts or anything from elsewhere, in both languages.

Three pictures: the faults over time against what was said, the confusion matrix, and what was said against what was right.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

from daozhang.sim.drill_asked import PHASES

_WIDE, _ROW, _EDGE = 860, 22, 20
_LEFT = 210
_INK, _TRUE, _SAID, _WRONG, _GRID = "#1b2733", "#c4552d", "#2f6f9f", "#b3261e", "#d8dee4"
_FIGURES = (
    ("payments", "支付笔数", "payments"), ("dark_episodes", "无信息的支付和终端", "dark episodes"),
    ("top1", "首选原因正确(按类)", "top-1 right, by class"), ("top1_exact", "首选原因完全正确", "top-1 exactly right"),
    ("unknown_share", "说不知道", "said unknown"), ("ece", "概率校准误差", "calibration error (ECE)"),
    ("proven_wrong", "说已证实而错", "said proven and wrong"), ("wrong_verdicts", "结论错误", "wrong verdicts"),
    ("net_double_charges", "重复收款", "net double charges"), ("untold", "没人告知", "untold"),
    ("false_incidents", "误报事件", "false incidents"), ("manners_violations", "违反渠道规矩", "breaches of the channels' manners"),
)  # fmt: skip
_TIMES = (
    ("time_to_cause_s", "多久说对原因(秒)", "time to the right cause (s)"), ("time_to_truth_s", "多久有结论(秒)", "time to the truth (s)"),
    ("time_to_told_s", "有结论到店里知道(秒)", "from proof to the shop knowing (s)"), ("incident_detection_s", "多久发现事件(秒)", "time to see an incident (s)"),
)  # fmt: skip


def page(name: str, seed: int, report: dict[str, Any], shown: dict[str, Any]) -> str:
    title = f"{escape(name)} · seed {seed}"
    parts = [
        "<!doctype html><html lang=zh><meta charset=utf-8><meta name=viewport content='width=device-width,initial-scale=1'>",
        f"<title>{title}</title><style>{_CSS}</style>",
        f"<h1>{title}</h1><p class=note>模拟准确率;现场准确率尚未测量 · simulated accuracy; field accuracy unmeasured</p>",
        _figures(report), _picture("故障与说出的原因", "Faults, and what was said", _timeline(shown)),
        _picture("混淆矩阵(行:真实,列:说成)", "Confusion (rows: true, columns: named)", _matrix(report["confusion"])),
        _picture("说的概率与实际", "What was said, and what was right", _reliability(shown["bins"])),
        _picture("每分钟问渠道多少次", "Questions to the channels, by minute", _asked(shown)), _polling(shown["polling"]), _incidents(shown["incidents"]),
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


_CSS = (
    f"body{{font:15px/1.5 system-ui,'Noto Sans SC',sans-serif;color:{_INK};max-width:900px;margin:24px auto;padding:0 12px}}"
    "h1{font-size:22px;margin:0}h2{font-size:17px;margin:28px 0 6px}.note{color:#5b6876;margin:0 0 12px}"
    "table{border-collapse:collapse;display:block;overflow-x:auto}td,th{padding:2px 10px 2px 0;text-align:left;font-weight:400}td.n{text-align:right;font-variant-numeric:tabular-nums}"
    ".picture{overflow-x:auto}svg{width:100%;min-width:540px;height:auto;font:12px system-ui,'Noto Sans SC',sans-serif}"
)


def _heading(zh: str, en: str) -> str:
    return f"<h2>{zh} · {en}</h2>"


def _figures(report: dict[str, Any]) -> str:
    rows = [f"<tr><td>{zh} · {en}<td class=n>{'–' if report[key] is None else report[key]}" for key, zh, en in _FIGURES]
    for key, zh, en in _TIMES:
        told = " / ".join("–" if report[key][part] is None else f"{report[key][part]:g}" for part in ("p50", "p95", "p99"))
        rows.append(f"<tr><td>{zh} · {en}, p50 / p95 / p99<td class=n>{told}")
    return f"<table>{''.join(rows)}</table>"


def _text(x: float, y: float, said: str, anchor: str = "start", colour: str = _INK) -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' fill='{colour}'>{escape(said)}</text>"


def _svg(height: float, inside: Sequence[str], wide: float = _WIDE) -> str:
    return f"<svg viewBox='0 0 {wide:.0f} {height:.0f}' style='max-width:{wide:.0f}px' aria-hidden=true>{''.join(inside)}</svg>"


def _picture(zh: str, en: str, drawn: str) -> str:
    """On a narrow screen it is scrolled, not shrunk until nobody can read it."""
    shown = f"<div class=picture tabindex=0 role=img aria-label='{zh} · {en}'>{drawn}</div>" if drawn else "<p>–</p>"
    return _heading(zh, en) + shown


def _timeline(shown: dict[str, Any]) -> str:
    """A bar for each fault while it lasts, and under them, minute by minute, how many episodes were given which cause."""
    minutes, inside, y = max(shown["minutes"], 1), [], 16
    scale = (_WIDE - _LEFT - _EDGE) / minutes
    for one in shown["faults"]:
        where = f" {one['where']}" if one["where"] else ""
        inside.append(_text(0, y + 11, f"{one['cause']}{where}", colour=_TRUE))
        inside.append(f"<rect x='{_LEFT + one['from_s'] / 60 * scale:.1f}' y='{y}' height='14' rx='2' fill='{_TRUE}' width='{max((one['until_s'] - one['from_s']) / 60 * scale, 2):.1f}'/>")
        y += _ROW
    y += 8
    most = max((max(row) for row in shown["said"].values()), default=1) or 1
    for cause, row in sorted(shown["said"].items()):
        inside.append(_text(0, y + 12, cause, colour=_SAID))
        for at, count in enumerate(row):
            if count:
                tall = max(3.0, 16 * (count / most) ** 0.5)
                inside.append(f"<rect x='{_LEFT + at * scale:.1f}' y='{y + 16 - tall:.1f}' width='{max(scale - 1, 1):.1f}' height='{tall:.1f}' fill='{_SAID}'><title>{count}</title></rect>")
        y += _ROW
    step = max(1, round(minutes / 10))
    for at in range(0, minutes + 1, step):
        inside.insert(0, f"<line x1='{_LEFT + at * scale:.1f}' x2='{_LEFT + at * scale:.1f}' y1='10' y2='{y}' stroke='{_GRID}'/>")
        inside.append(_text(_LEFT + at * scale, y + 14, f"{at}m", "middle"))
    return _svg(y + 22, inside)


def _matrix(confusion: dict[str, dict[str, int]]) -> str:
    if not confusion:
        return ""
    named = sorted({name for row in confusion.values() for name in row} | set(confusion))
    side, inside = min(34.0, (_WIDE - _LEFT) / len(named)), list[str]()
    top = 150.0
    for column, name in enumerate(named):
        x = _LEFT + column * side + side / 2
        inside.append(f"<text transform='translate({x + 4:.1f},{top - 6:.1f}) rotate(-60)' fill='{_INK}'>{escape(name)}</text>")
    for line, label in enumerate(sorted(confusion)):
        y, whole = top + line * side, sum(confusion[label].values())
        inside.append(_text(_LEFT - 6, y + side / 2 + 4, label, "end"))
        for column, name in enumerate(named):
            count = confusion[label].get(name, 0)
            colour = _SAID if name == label else _WRONG
            inside.append(f"<rect x='{_LEFT + column * side:.1f}' y='{y:.1f}' width='{side - 1:.1f}' height='{side - 1:.1f}' fill='{colour}' fill-opacity='{max(count / whole, 0.12) if count else 0.03:.2f}'><title>{escape(label)} → {escape(name)}: {count}</title></rect>")
            if count and side > 20:
                inside.append(_text(_LEFT + (column + 0.5) * side, y + side / 2 + 4, str(count), "middle", "#fff" if count / whole > 0.5 else _INK))
    return _svg(top + len(confusion) * side + 6, inside, max(_WIDE, _LEFT + len(named) * side + 90))


def _reliability(bins: Sequence[dict[str, Any]]) -> str:
    size, left = 260, 46
    inside = [f"<rect x='{left}' y='10' width='{size}' height='{size}' fill='none' stroke='{_GRID}'/>",
              f"<line x1='{left}' y1='{10 + size}' x2='{left + size}' y2='10' stroke='{_GRID}'/>"]  # fmt: skip
    for one in bins:
        x, y = left + one["said"] * size, 10 + size - one["right"] * size
        inside.append(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{4 + min(one['of'], 1000) ** 0.33:.1f}' fill='{_SAID}' fill-opacity='0.7'><title>{one['said']} / {one['right']} ({one['of']})</title></circle>")
    inside += [_text(left + size / 2, size + 32, "说的概率 · said", "middle"), _text(left - 6, 20, "1", "end"), _text(left - 6, size + 10, "0", "end"),
               _text(left + size + 14, 24, "对的比例(竖) · right (upwards)")]  # fmt: skip
    return _svg(size + 44, inside, 560)


def _asked(shown: dict[str, Any]) -> str:
    rows = {name: row for name, row in shown["asked"].items() if sum(row)}
    if not rows:
        return ""
    most, minutes, inside, y = max(max(row) for row in rows.values()), max(shown["minutes"], 1), list[str](), 10.0
    scale = (_WIDE - _LEFT - _EDGE) / minutes
    for name, row in rows.items():
        inside.append(_text(0, y + 24, name))
        points = " ".join(f"{_LEFT + at * scale:.1f},{y + 30 - 28 * count / most:.1f}" for at, count in enumerate(row))
        inside.append(f"<polyline points='{points}' fill='none' stroke='{_SAID}' stroke-width='1.5'/>")
        inside.append(_text(_WIDE, y + 12, str(max(row)), "end"))
        y += 36
    return _svg(y + 6, inside)


def _polling(told: dict[str, list[dict[str, Any]]]) -> str:
    """Queries of each sick channel, and in brackets what an unthrottled poller would have asked."""
    if not told:
        return ""
    head = "<tr><th><th><th>无信息的支付 · dark payments<th>查询 · queries<th>每笔 · for each<th>每分钟 · a minute"
    rows = [f"<tr><td>{escape(name)}<td>{' · '.join(PHASES[one['phase']])}<td class=n>{one['dark']}" + "".join(
        f"<td class=n>{_or_dash(one[kind])} ({_or_dash(one[eager])})" for kind, eager in (
            ("queries", "unthrottled"), ("per_payment", "unthrottled_per_payment"), ("per_minute", "unthrottled_per_minute")))
        for name, phases in told.items() for one in phases]  # fmt: skip
    title = _heading("查询有没有减少(括号里:不减速会问多少)", "Did the queries fall? (in brackets: asked without slowing down)")
    return f"{title}<table tabindex=0>{head}{''.join(rows)}</table>"


def _or_dash(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"


def _incidents(seen: Sequence[dict[str, Any]]) -> str:
    if not seen:
        return ""
    rows = "".join(f"<tr><td>{escape(one['cause'])}<td>{escape(one['party'])}<td>{escape(one['place'])}<td class=n>{one['payments']}<td class=n>{one['from_s']:.0f} s<td class=n>{one['until_s']:.0f} s<td>{'✓' if one['true'] else '✗'}" for one in seen)
    head = "<tr><th>原因 · cause<th>责任方 · party<th>范围 · place<th>支付 · payments<th>开始 · from<th>结束 · until<th>属实 · true"
    return f"{_heading('看到的事件', 'Incidents that were seen')}<table tabindex=0>{head}{rows}</table>"
