"""The device door: MQTT over TCP, TLS and WebSocket; acknowledgements become evidence."""
