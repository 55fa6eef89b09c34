"""JSON as Go writes it."""

import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hollama.api.encode import after, encode, local, utc, without_empty
from hollama.errors import HollamaError


def test_html_is_escaped() -> None:
    assert encode({"a": "<b> & \u2028"}) == rb'{"a":"\u003cb\u003e \u0026 \u2028"}'


def test_other_characters_stay_as_they_are() -> None:
    assert encode("é😀\x7f") == '"é😀\x7f"'.encode()


def test_a_lone_surrogate_becomes_the_replacement_character() -> None:
    assert encode("\ud800") == '"\ufffd"'.encode()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"), (-0.0, "-0"), (0.1, "0.1"), (1e-6, "0.000001"), (1.5e-5, "0.000015"), (1e-7, "1e-7"),
        (1.25e-7, "1.25e-7"), (1e16, "10000000000000000"), (1.5e20, "150000000000000000000"), (1e21, "1e+21"),
        (-2.5e300, "-2.5e+300"),
    ],
)  # fmt: skip
def test_floats_are_written_as_go_does(value: float, text: str) -> None:
    assert encode(value) == text.encode()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_read_back_the_same(value: float) -> None:
    assert float(json.loads(encode(value))) == value


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_values_read_back_the_same(value: object) -> None:
    assert json.loads(encode(value)) == value


def test_what_json_cannot_hold_is_an_error() -> None:
    with pytest.raises(HollamaError, match="unsupported value"):
        encode([math.nan])


def test_empty_fields_are_dropped_unless_kept() -> None:
    assert without_empty({"a": 0, "b": "", "c": [], "d": False, "e": 1}, "d") == {"d": False, "e": 1}


def test_times_lose_their_idle_zeros() -> None:
    assert utc(1_700_000_000_120_000_000) == "2023-11-14T22:13:20.12Z"
    assert utc(1_700_000_000_000_000_000) == "2023-11-14T22:13:20Z"


def test_a_local_time_carries_an_offset() -> None:
    moment = datetime(2024, 1, 2, 3, 4, 5, 600_000, UTC)
    text = local(moment)
    assert datetime.fromisoformat(text) == moment
    assert ".6" in text


def test_for_ever_ends_in_a_year_that_datetimes_can_hold() -> None:
    assert 2300 < after(math.inf, datetime.now(UTC)).year < 2400
