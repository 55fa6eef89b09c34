"""The limits of the machine, as the native library measures them."""

import pytest

from hollama.errors import BackendError
from hollama.kernels import native
from hollama.kernels.machine import measure_machine


def _sets():
    try:
        return native.sets()
    except BackendError:
        return ()


@pytest.mark.skipif(not _sets(), reason="needs the native library, which installing builds where there is a C compiler")
def test_wider_instructions_multiply_faster_than_portable_c():
    peaks = {name: measure_machine(name, 1, 1 << 20).peak for name in (_sets()[0], "portable")}
    assert peaks[_sets()[0]] > 1e9
    assert len(peaks) == 1 or peaks[_sets()[0]] > peaks["portable"]


@pytest.mark.parametrize("kernels", _sets())
def test_every_set_can_be_measured(kernels):
    machine = measure_machine(kernels, 2, 1 << 20)
    assert machine.bandwidth > 1e8
    assert machine.peak > 1e7
