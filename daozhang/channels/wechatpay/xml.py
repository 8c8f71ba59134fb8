"""The flat XML of v2: one element a field, no attributes. Anything cleverer is refused."""

import re
from collections.abc import Mapping
from xml.etree import ElementTree
from xml.sax.saxutils import escape

_MOST_FIELDS = 200
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)


def written(fields: Mapping[str, str]) -> bytes:
    """``<xml>`` with the non-empty fields, escaped."""
    return f"<xml>{''.join(f'<{name}>{escape(value)}</{name}>' for name, value in fields.items() if value)}</xml>".encode()


def read(body: bytes) -> dict[str, str]:
    """The fields. Raises ValueError: not XML, not flat, a name twice, or a document type (entities are an attack)."""
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise ValueError("a document type has no place here")
    try:
        root = ElementTree.fromstring(body.decode("utf-8"))
    except (ElementTree.ParseError, UnicodeDecodeError, RecursionError) as why:
        raise ValueError("not XML in UTF-8") from why
    fields: dict[str, str] = {}
    if root.tag != "xml" or len(root) > _MOST_FIELDS:
        raise ValueError("not a message of this wire")
    for element in root:
        if len(element) or element.attrib or element.tag in fields or not _NAME.fullmatch(element.tag):
            raise ValueError("not flat, or a field stands twice")
        fields[element.tag] = element.text or ""
    return fields
