"""An e-signature POS."""

ZH, EN = "电签 POS", "e-signature POS"
SPEAKS = False
COMMANDS = ("restart", "refresh", "switch_network", "self_test", "upload_log")
DESIRED = {"lang": "zh"}
