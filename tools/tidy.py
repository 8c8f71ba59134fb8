"""The style is a program. Each rule is one function with its reason; a rule that no tool can check is advice.

Run ``python tools/tidy.py`` (optionally with another root). Prints ``file:line rule: what, and how to mend it``;
exit 1 with faults. There is no list of old faults to be forgiven: the tree has none.
"""

import sys
from pathlib import Path

from rules import going_down, habits, people, store
from rules.house import Fault, House

RULES = [
    rule
    for module in (going_down, habits, store, people)
    for name, rule in vars(module).items()
    if name.startswith("rule_")
]


def look(root: Path) -> list[Fault]:
    house = House(root)
    return [fault for rule in RULES for fault in rule(house)]


def main() -> int:
    root = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else Path(__file__).resolve().parents[1]
    faults = look(root)
    for path, line, rule, says in faults:
        print(f"{path.relative_to(root)}:{line} {rule}: {says}")
    print(f"tidy: {len(RULES)} rules, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
