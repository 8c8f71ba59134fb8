"""Simulated devices: programs that speak only MQTT and HTTPS, usable against any deployment."""
