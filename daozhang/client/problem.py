"""What can go wrong between a program and the API."""

from typing import Any


class ApiProblem(Exception):
    """The API refused (RFC 9457). ``code`` is for programs; ``next_step`` says in both languages how to mend it."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        self.status, self.body = status, body
        self.code = str(body.get("code", f"http_{status}"))
        self.detail = str(body.get("detail") or body.get("title") or "")
        self.request_id = str(body.get("request_id", ""))
        self.retryable = bool(body.get("retryable", False))
        self.next_step: dict[str, str] = body.get("next_step") or {}
        super().__init__(f"{status} {self.code}: {self.detail} (request {self.request_id})")


class NotReached(Exception):
    """No answer, after all repeats. The payment may exist: ask again with the same key, or look the order up."""
