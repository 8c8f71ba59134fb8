"""Checks that stay on: Python drops ``assert`` under -O, money code may not."""


class Broken(Exception):
    """An invariant does not hold. Never caught to carry on: the transaction is given up and somebody is told."""


def must(condition: object, what: str) -> None:
    """Raise `Broken` with ``what`` unless the condition holds."""
    if not condition:
        raise Broken(what)
