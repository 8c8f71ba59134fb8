"""A cloud speaker: it says what came, and says that it said it."""

ZH, EN = "云喇叭", "cloud speaker"
SPEAKS = True
COMMANDS = ("restart", "refresh", "self_test", "upload_log", "switch_network")
DESIRED = {"volume": 80, "lang": "zh", "only_amount": False, "whole_store": False, "quiet": ""}
