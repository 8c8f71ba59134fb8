"""A traditional smart POS."""

ZH, EN = "智能 POS", "smart POS"
SPEAKS = False
COMMANDS = ("restart", "refresh", "switch_network", "resync", "self_test", "upload_log")
DESIRED = {"lang": "zh"}
