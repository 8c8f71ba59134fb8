"""Our own forms say what the standard library says, and refuse what it refuses."""

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daozhang.channels import form

names = st.text(st.sampled_from("abc_"), min_size=1)
pieces = st.lists(st.sampled_from(["a", "b", "=", "&", "+", "%", "%41", "%e4%bd%a0", "%ff", "%zz", "\u4f60", " ", "1"]), max_size=12)


@given(st.dictionaries(names, st.text(st.characters(codec="utf-8"))))
def test_a_form_is_written_as_everybody_reads_it(params: dict[str, str]) -> None:
    assert form.write(params) == urlencode(params)
    assert form.read(form.write(params).encode()) == params


@given(pieces)
def test_a_form_is_read_as_the_standard_library_reads_it_or_refused_like_there(parts: list[str]) -> None:
    body = "".join(parts).encode()
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict")
        known = dict(pairs) if len(dict(pairs)) == len(pairs) else None
    except ValueError:
        known = None
    if known is None:
        with pytest.raises(ValueError):
            form.read(body)
    else:
        assert form.read(body) == known


def test_a_form_of_a_thousand_fields_is_refused() -> None:
    with pytest.raises(ValueError, match="too many"):
        form.read("&".join(f"a{n}=1" for n in range(101)).encode())
