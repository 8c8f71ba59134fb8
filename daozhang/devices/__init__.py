"""Devices, as pure rules: the MQTT wire, one connection's manners, announcements, words to speak, receipts."""
