"""Ways a file can be damaged, and the promise that a reader notices cheaply."""

import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import strategies as st

from hollama.errors import FormatError

EXTREMES = [0, 1, 2, 3, 0x7F, 0xFF, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1]


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """`whole` cut short, with bits flipped, or with numbers in it replaced by extreme ones."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(["cut", "flip", "number", "insert"])):
            case "cut":
                del data[at:]
            case "flip" if data:
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "number":
                size, order = draw(st.sampled_from([4, 8])), draw(st.sampled_from(["little", "big"]))
                data[at : at + size] = (draw(st.sampled_from(EXTREMES)) % 256**size).to_bytes(size, order)
            case "insert":
                data[at:at] = draw(st.binary(max_size=16))
    return bytes(data)


@contextmanager
def only(error: type[FormatError], megabytes: int = 32) -> Iterator[None]:
    """The block may raise `error` and nothing else; it takes neither long nor much memory."""
    tracemalloc.start()
    start = time.process_time()
    try:
        yield
    except error as found:
        assert str(found)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < megabytes << 20, f"it took {peak} bytes"
    assert time.process_time() - start < 2
