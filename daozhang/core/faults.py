"""Whose fault, by type. One family tree; raised near, translated once at the door.

The first family says what is known about a request that got no usable answer. The difference decides
whether it may be repeated (Active Merchant separates the same two; one code for both is how shops charge twice).
"""


class Fault(Exception):
    """Anything that went wrong in a way we foresaw."""


class NoAnswer(Fault):
    """A request to a channel ended without an answer that can be read. ``code`` is one of dossier's transport codes."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class NotSent(NoAnswer):
    """No byte of the request left us (name not resolved, connection refused, TLS not agreed): it may be repeated."""


class MaybeArrived(NoAnswer):
    """It may have arrived: it may only be asked about or undone, never repeated with a new number."""


class Unreadable(NoAnswer):
    """Something came back that proves nothing: cut off, not ours, wrongly signed. Treated as MaybeArrived."""


class Conflict(Fault):
    """Somebody else moved the row first: read it again and decide anew."""


class SaleTaken(Fault):
    """Another attempt of the same sale is open or paid (promise P3)."""

    def __init__(self, payment: str) -> None:
        super().__init__(f"the sale has an open or paid attempt: {payment}")
        self.payment = payment


class Unavailable(Fault):
    """We cannot keep a promise at the moment (store down, overloaded): nothing was done, try again after ``retry_s``."""

    def __init__(self, what: str, retry_s: int = 1) -> None:
        super().__init__(what)
        self.retry_s = retry_s


class KeyUsed(Fault):
    """The Idempotency-Key was used before: for ``made`` (an id), with ``fingerprint`` of that request."""

    def __init__(self, made: str, fingerprint: str) -> None:
        super().__init__(f"the key was used for {made}")
        self.made = made
        self.fingerprint = fingerprint
