"""Alipay's other side, written from the documents. It never looks at our side of the wire."""
