"""A code that a channel's table knows of other operations only: what it proves is not known, what it is about may be.

``BANK_ERROR`` on an operation whose documents do not list it still speaks of the bank. It never says more than a hint:
the same code on *query* is not the code on *pay*, so what it proves stays nothing.
"""

from collections.abc import Iterable, Mapping


def by_code(rows: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The one cause that all operations which connect the code with a cause agree on; codes with several are left out."""
    found: dict[str, set[str]] = {}
    for row in rows:
        if row["hint"]:
            found.setdefault(row["code"], set()).add(row["hint"])
    return {code: next(iter(hints)) for code, hints in found.items() if len(hints) == 1}
