"""A receipt printer with its own network."""

ZH, EN = "小票打印机", "receipt printer"
SPEAKS = False
COMMANDS = ("restart", "self_test", "upload_log")
DESIRED = {"paper_mm": 58, "lang": "zh"}
