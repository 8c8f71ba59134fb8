"""A pattern for a new channel: `daozhang new channel NAME` copies this folder. It speaks a small wire of its own (JSON
over HTTP, HMAC-SHA256), complete enough that the conformance suite passes before the first change."""
