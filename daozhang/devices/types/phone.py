"""A phone that takes payments."""

ZH, EN = "手机 POS", "phone POS"
SPEAKS = False
COMMANDS = ("refresh", "resync", "self_test", "upload_log")
DESIRED = {"lang": "zh"}
