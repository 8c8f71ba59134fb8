"""A box at the counter that reads payment codes and speaks."""

ZH, EN = "扫码盒", "scanner box"
SPEAKS = True
COMMANDS = ("restart", "refresh", "self_test", "upload_log", "switch_network")
DESIRED = {"volume": 80, "lang": "zh", "only_amount": False}
