"""No inner loop that multiplies keeps its sums on the stack: it costs a third of the speed, and compilers do it."""

import re
import shutil
import subprocess

import pytest

from hollama.errors import BackendError
from hollama.kernels import native

_LINE = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*)$")
_DOT = re.compile(r"(\{vex\} +)?(vpdpbusds?|vpdpwssd|vpmaddubsw|vpmaddwd|tdpb[su][su]d|[su]dot)\b")
_STACK = re.compile(r"[xyz]mm\d+.*\(%[re]?sp|\(%[re]?sp.*[xyz]mm\d+|\bq\d+, \[sp")
_BORNE = 3  # products for every move to or from the stack


def functions() -> dict[str, list[tuple[int, str, str]]]:
    """Address, mnemonic and operands of every instruction, by function."""
    if not shutil.which("objdump"):
        pytest.skip("needs objdump, which comes with a C compiler")
    try:
        path = native.library()._name
    except BackendError as error:
        pytest.skip(str(error))
    output = subprocess.run(["objdump", "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True)
    found: dict[str, list[tuple[int, str, str]]] = {}
    for block in output.stdout.split("\n\n"):
        if name := re.search(r"<([^>]+)>:\n", block):
            lines = map(_LINE.match, block.splitlines())
            found[name[1]] = [(int(line[1], 16), line[2], line[3]) for line in lines if line]
    return found


def inner_loops(code: list[tuple[int, str, str]]) -> list[list[tuple[int, str, str]]]:
    """What lies between a jump backwards and its target, where no other loop lies in it."""
    spans = []
    for address, mnemonic, operands in code:
        target = re.match(r"([0-9a-f]+) <", operands)
        if target and (mnemonic[0] == "j" or mnemonic[:2] == "b.") and code[0][0] <= int(target[1], 16) < address:
            spans.append((int(target[1], 16), address))
    inner = [span for span in spans if not any(o != span and span[0] <= o[0] and o[1] <= span[1] for o in spans)]
    return [[line for line in code if first <= line[0] <= last] for first, last in inner]


def test_hot_loops_do_not_spill():
    """A single register too many is borne; sums that all go through the stack are not."""
    spilling, loops = [], 0
    for name, code in functions().items():
        for loop in inner_loops(code):
            products = sum(bool(_DOT.match(f"{what} {where}")) for _, what, where in loop)
            moves = [f"{what} {where}" for _, what, where in loop if "mov" in what and _STACK.search(where)]
            loops += products > 0
            if len(moves) * _BORNE > products > 0:
                spilling.append((name, hex(loop[0][0]), f"{products} products", moves))
    assert loops, "no loop that multiplies was found"
    assert not spilling
