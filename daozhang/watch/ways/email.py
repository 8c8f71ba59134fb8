"""E-mail over SMTP: one plain text for all addressees, in the chosen language. The server's acceptance is the yes."""

from daozhang.watch.alerts import Alert, Mail, Target, headline, lines

KEYS = {"host": True, "from": True, "to": True, "port": False, "tls": False, "user": False, "password": False}


def write(target: Target, alert: Alert, now_s: int) -> Mail:
    keys = target.keys
    tls = keys.get("tls", "starttls")
    port = int(keys.get("port") or {"tls": 465, "starttls": 587}.get(tls, 25))
    to = tuple(one.strip() for one in keys["to"].split(",") if one.strip())
    domain = keys["from"].rpartition("@")[2] or "daozhang"
    return Mail(keys["host"], port, tls, keys.get("user", ""), keys.get("password", ""), keys["from"], to, headline(alert, target.lang),
                "\n\n".join(lines(alert, target.lang)) + "\n", f"<{alert.id}@{domain}>")  # fmt: skip


def taken(status: int, body: bytes) -> bool:
    return 200 <= status < 300
