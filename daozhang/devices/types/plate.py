"""A code plate: printed, without power or network; it is in the list so that somebody can watch its place."""

ZH, EN = "码牌", "code plate"
SPEAKS = False
COMMANDS = ()
DESIRED: dict[str, object] = {}
