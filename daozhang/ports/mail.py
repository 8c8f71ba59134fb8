"""One e-mail to a server that the operators chose: looked up once, judged, and pinned, as every call to a chosen address is."""

import asyncio
import smtplib
import socket
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from daozhang.core.addresses import why_forbidden
from daozhang.core.webhook import Outcome

_WITHIN_S = 20


class Letter:
    """What is sent; the fields of an alert's mail."""

    def __init__(self, sender: str, to: tuple[str, ...], subject: str, text: str, message_id: str) -> None:
        made = EmailMessage()
        made["From"], made["To"], made["Subject"] = sender, ", ".join(to), subject
        made["Message-ID"], made["Date"] = message_id, format_datetime(datetime.now(UTC))
        made["Auto-Submitted"] = "auto-generated"
        made.set_content(text)
        self.message, self.sender, self.to = made, sender, to


async def send(letter: Letter, host: str, port: int, tls: str, user: str, password: str, *, loopback_allowed: bool) -> Outcome:
    """On a thread of its own; never raises for what the network does."""
    return await asyncio.to_thread(_send, letter, host, port, tls, user, password, loopback_allowed)


def _send(letter: Letter, host: str, port: int, tls: str, user: str, password: str, loopback_allowed: bool) -> Outcome:
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0]
        why = why_forbidden(str(address))
        if why and not (loopback_allowed and why == "loopback"):
            return Outcome(0, f"forbidden: this address leads to {why}")
        with _server(host, str(address), port, tls) as server:
            if tls == "starttls":
                server.starttls(context=ssl.create_default_context())
            if user:
                server.login(user, password)
            refused = server.send_message(letter.message, letter.sender, list(letter.to))
        return Outcome(250 if not refused else 550, "" if not refused else f"refused: {len(refused)} addressees")
    except smtplib.SMTPResponseException as said:
        return Outcome(int(said.smtp_code), f"SMTP {said.smtp_code}")
    except (smtplib.SMTPException, OSError) as wrong:
        return Outcome(0, type(wrong).__name__)


def _server(host: str, address: str, port: int, tls: str) -> Any:
    """Connected to the number that was judged; a certificate is checked against the name."""
    server: Any = smtplib.SMTP_SSL(timeout=_WITHIN_S, context=ssl.create_default_context()) if tls == "tls" else smtplib.SMTP(timeout=_WITHIN_S)
    server._host = host  # smtplib takes the name to check from here
    server.connect(address, port)
    return server
