"""Which topics exist, and who may use which: a device speaks and hears under its own name only (4-surfaces 9.5).

``dz/v1/{merchant}/{device}/up/heartbeat|evidence|ack`` and ``.../down/cmd|announce|config``.
"""

UP = ("heartbeat", "evidence", "ack")
DOWN = ("cmd", "announce", "config")
_ROOT = "dz/v1"


def up(merchant: str, device: str, kind: str) -> str:
    return f"{_ROOT}/{merchant}/{device}/up/{kind}"


def down(merchant: str, device: str, kind: str) -> str:
    return f"{_ROOT}/{merchant}/{device}/down/{kind}"


def of_device(merchant: str, device: str) -> dict[str, str]:
    """All topics of one device, by their last word."""
    return {kind: up(merchant, device, kind) for kind in UP} | {kind: down(merchant, device, kind) for kind in DOWN}


def said(merchant: str, device: str, topic: str) -> str:
    """The last word of a topic that this device may publish to; "" for every other topic."""
    head = f"{_ROOT}/{merchant}/{device}/up/"
    kind = topic.removeprefix(head) if topic.startswith(head) else ""
    return kind if kind in UP else ""


def from_up(topic: str) -> tuple[str, str, str]:
    """Merchant, device and the last word of a topic that a device speaks on; three times "" for every other topic."""
    parts = topic.split("/")
    if len(parts) != 6 or "/".join(parts[:2]) != _ROOT or parts[4] != "up" or parts[5] not in UP:
        return "", "", ""
    return parts[2], parts[3], parts[5]


def heard(merchant: str, device: str, wanted: str) -> tuple[str, ...]:
    """The kinds that a subscription of this device brings; () when it reaches beyond its own ``down``.

    A filter may name one topic, or all of its own with ``+`` or ``#`` as the last level. Shared and system
    subscriptions, and wildcards further up, reach others and are refused.
    """
    head = f"{_ROOT}/{merchant}/{device}/down/"
    if not wanted.startswith(head):
        return ()
    last = wanted.removeprefix(head)
    if last in ("+", "#"):
        return DOWN
    return (last,) if last in DOWN else ()
