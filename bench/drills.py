"""How often the named cause is right, on drills of every cause that can be played and on overlapping ones, beside baselines on
the same corpus in the same run. Simulated accuracy; field accuracy unmeasured.

    python -m bench.drills --worlds 14 --together 40 [--seed 1] [--keep FOLDER] [--jobs 2] [--json FILE] [--docs docs] [--published PYTHON]

``--keep``: finished worlds stay in this folder, and an interrupted run goes on where it stopped. ``--published``: an
interpreter that has the two published methods (bench/published.txt).
"""

import argparse
import json
import subprocess
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.drill_worlds import SUMS, collect
from daozhang.sim.drill_corpus import together, worlds
from daozhang.sim.drill_look import Episode
from daozhang.sim.drill_plays import PLAYS
from daozhang.sim.drill_run import bins_of, ece_of
from daozhang.sim.episodes import blinded
from daozhang.sim.grade import grade

# Where a metric points, in the words of our parties.
_POINTS = {"channel": "platform", "bank": "bank", "out": "us", "all": "clearing", "merchant": "network"}


def figures(episodes: Sequence[Episode]) -> dict[str, Any]:
    count = max(len(episodes), 1)
    confusion: dict[str, Counter[str]] = defaultdict(Counter)
    for one in episodes:
        confusion[one.label][one.label if one.right(one.last) else one.last.id if one.last is not None else "none"] += 1
    said: Counter[str] = Counter()
    for row in confusion.values():
        said.update(row)
    bins = bins_of(episodes)
    return {
        "dark_episodes": len(episodes),
        "timeouts": sum(one.code == "READ_TIMEOUT" for one in episodes),
        "top1": sum(one.right(one.last) for one in episodes) / count,
        "top1_exact": sum(one.last is not None and one.last.id in one.labels for one in episodes) / count,
        "party": sum(one.last is not None and one.last.party in {label.partition(".")[0] for label in one.labels} for one in episodes) / count,
        "class_size": sum(max(len(set(one.last.members)), 1) for one in episodes if one.last is not None) / count,
        "unknown_share": sum(one.last is None or not one.last.members for one in episodes) / count,
        "proven_wrong": sum(any(look.confidence == "proven" and not one.right(look) for look in one.answers) for one in episodes),
        "ece": ece_of(bins), "bins": bins,
        "recall": {label: row[label] / sum(row.values()) for label, row in sorted(confusion.items())},
        "precision": {label: confusion[label][label] / said[label] for label in sorted(confusion) if said[label]},
        "confusion": {label: dict(row.most_common()) for label, row in sorted(confusion.items())},
    }  # fmt: skip


def simple(episodes: Sequence[Episode]) -> dict[str, float]:
    """Two rules, each given the best answer that this very corpus could teach it."""
    by_code: dict[str, Counter[str]] = defaultdict(Counter)
    for one in episodes:
        by_code[one.code][one.label] += 1
    labels = Counter(one.label for one in episodes)
    return {"majority": labels.most_common(1)[0][1] / len(episodes),
            "last_error_code": sum(row.most_common(1)[0][1] for row in by_code.values()) / len(episodes)}  # fmt: skip


def published(python: str, asked: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Party right, weighed by episodes: what a method answers for a world counts for each of its dark payments."""
    told = subprocess.run([python, str(Path(__file__).with_name("published.py"))], input=json.dumps(asked), capture_output=True, text=True, check=True)
    answers, whole = json.loads(told.stdout), sum(world["episodes"] for world in asked) or 1
    found = {"ours": sum(world["ours"] for world in asked) / whole, "episodes": float(whole)}
    for name in ("baro", "epsilon_diagnosis"):
        hits = [world["episodes"] for world, row in zip(asked, answers, strict=True)
                if _POINTS.get(row[name].split(" ")[0], "") == world["cause"].partition(".")[0]]  # fmt: skip
        found[name] = sum(hits) / whole
    return found


def page(told: dict[str, Any], command: str, zh: bool) -> str:
    """The accuracy page of the docs."""
    one, two, blind = told["single"], told["together"], told["blind"]

    def table(rows: Sequence[tuple[str, str, str]]) -> list[str]:
        return ["| | |", "|---|---|", *(f"| {a if zh else b} | {value} |" for a, b, value in rows)]

    title = "# 原因诊断的准确率:模拟值,现场准确率尚未测量" if zh else "# How often the named cause is right: simulated accuracy; field accuracy unmeasured"
    made = f"由 `{command}` 生成。每个世界都由种子抽取:规模、流量、起止、强度、丢失的心跳。" if zh else f"Made by `{command}`. Each world is drawn from a seed: size, traffic, onset, duration, strength, lost heartbeats."
    lines = [title, "", made, "现场怎样测量,见 drills.md。" if zh else "How it is measured in the field: drills.en.md.", ""]
    lines += table([
        ("无信息的支付和终端", "dark payments and tills", f"{one['dark_episodes']:,}"),
        ("其中最后的结果码是应答超时", "of them with a read timeout as their last code", f"{one['timeouts']:,}"),
        ("首选原因正确(按说出的类)", "top-1 right, by the class that is named", f"{one['top1']:.2%}"),
        ("首选原因完全正确", "top-1 exactly right", f"{one['top1_exact']:.2%}"),
        ("类的平均大小", "mean size of the class", f"{one['class_size']:.2f}"),
        ("责任方正确", "party right", f"{one['party']:.2%}"),
        ("说不知道", "said unknown", f"{one['unknown_share']:.2%}"),
        ("说已证实而错(每一次查看都算)", "said proven and wrong (at any look)", str(one["proven_wrong"])),
        ("概率校准误差(ECE)", "calibration error (ECE)", f"{one['ece']:.3f}"),
        ("两三个故障同时:首选正确(按类)", "two or three faults at once: top-1 right by class", f"{two['top1']:.2%} ({two['dark_episodes']:,})"),
        ("去掉一切可区分的证据:说已证实而错", "all distinguishing evidence removed: proven and wrong", f"{blind['proven_wrong']} / {blind['dark_episodes']:,}"),
        ("同上,概率校准误差", "the same, calibration error", f"{blind['ece']:.3f}"),
        ("结论错误、重复收款、没人告知、误报事件、违反渠道规矩", "wrong verdicts, double charges, untold, false incidents, breaches of manners",
         " / ".join(str(told["sums"][name]) for name in SUMS[:-1]) + f" ({told['sums']['payments']:,})"),
    ])  # fmt: skip
    lines += ["", "## 对照(同一批数据,同一次运行)" if zh else "## Baselines (the same corpus, the same run)", ""]
    lines += table([
        ("本产品,完全正确", "ours, exactly right", f"{one['top1_exact']:.2%}"),
        ("总说最常见的原因", "always the most common cause", f"{told['baselines']['majority']:.2%}"),
        ("按最后的错误码(用这批数据学得的最好答案)", "by the last error code (the best that this corpus can teach it)", f"{told['baselines']['last_error_code']:.2%}"),
    ])  # fmt: skip
    if told.get("published"):
        p = told["published"]
        lines += ["", "只比责任方,只比指标看得见的九种故障:" if zh else "The party only, and only the nine faults that metrics can show:", ""]
        lines += table([("本产品", "ours", f"{p['ours']:.2%} ({p['episodes']:,.0f})"), ("BARO(RCAEval 1.8.1)", "BARO (RCAEval 1.8.1)", f"{p['baro']:.2%}"),
                        ("epsilon-diagnosis(sfr-pyrca 1.0.1)", "epsilon-diagnosis (sfr-pyrca 1.0.1)", f"{p['epsilon_diagnosis']:.2%}")])  # fmt: skip
    lines += ["", "## 混淆矩阵" if zh else "## Confusion matrix", "", "| 真实 | 召回 | 精确 | 说成 |" if zh else "| true | recall | precision | named |", "|---|---|---|---|"]
    lines += [f"| {label} | {one['recall'][label]:.3f} | {one['precision'].get(label, 0):.3f} | {', '.join(f'{name} {n}' for name, n in row.items())} |" for label, row in one["confusion"].items()]
    lines += ["", "## 概率与实际" if zh else "## What was said, and what was right", "", "| 说 | 对 | 次数 |" if zh else "| said | right | times |", "|---|---|---|"]
    lines += [f"| {entry['said']:.3f} | {entry['right']:.3f} | {entry['of']:,} |" for entry in one["bins"]]
    return "\n".join(lines) + "\n"


def measure(
    seed: int, each: int, count: int, python: str = "", causes: Sequence[str] = tuple(PLAYS),
    keep: Path | None = None, jobs: int = 1,
) -> dict[str, Any]:
    single, two = collect(worlds(seed, causes, each), keep, "alone", jobs), collect(together(seed, count), keep, "at once", jobs)
    blind = grade(blinded(seed, 2_000)).report()
    told = {"single": figures(single.episodes), "together": figures(two.episodes), "baselines": simple(single.episodes), "blind": blind,
            "sums": dict(single.sums + two.sums) | {name: single.sums[name] + two.sums[name] for name in SUMS},
            "detection_s": sorted(single.detection_s)[-1:] or None}  # fmt: skip
    if python:
        told["published"] = published(python, single.worlds)
    return told


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--worlds", type=int, default=6)
    words.add_argument("--together", type=int, default=60)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--json", type=Path)
    words.add_argument("--docs", type=Path)
    words.add_argument("--published", default="")
    words.add_argument("--keep", type=Path)
    words.add_argument("--jobs", type=int, default=1)
    given = words.parse_args()
    told = measure(given.seed, given.worlds, given.together, given.published, keep=given.keep, jobs=given.jobs)
    one, two = told["single"], told["together"]
    print(f"simulated accuracy; field accuracy unmeasured\n{one['dark_episodes']} dark episodes: top-1 by class {one['top1']:.4f} (class of {one['class_size']:.2f}), "
          f"exact {one['top1_exact']:.4f}, party {one['party']:.4f}, unknown {one['unknown_share']:.4f}, ECE {one['ece']}, proven and wrong {one['proven_wrong']}; "
          f"at once {two['top1']:.4f} ({two['dark_episodes']}); blind: proven and wrong {told['blind']['proven_wrong']}; {told['baselines']} {told.get('published', '')}")  # fmt: skip
    for label, row in one["confusion"].items():
        print(f"  {label:26} recall {one['recall'][label]:.3f} precision {one['precision'].get(label, 0):.3f}  {row}")
    if given.docs:
        command = f"python -m bench.drills --worlds {given.worlds} --together {given.together} --seed {given.seed} --docs docs"
        (given.docs / "accuracy.md").write_text(page(told, command, True), "utf-8")
        (given.docs / "accuracy.en.md").write_text(page(told, command, False), "utf-8")
    if given.json:
        given.json.write_text(json.dumps(told, ensure_ascii=False, indent=1), "utf-8")


if __name__ == "__main__":
    main()
