"""Graphs as JSON: they come back as they were, and what is no graph is refused by its own error."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hollama.ir.graph import Graph, GraphError
from tests.kernels.models import random_model

ARCHITECTURES = ("llama", "gpt2", "bert", "nomic-bert")
anything = st.none() | st.booleans() | st.integers(-3, 1 << 40) | st.floats() | st.text(max_size=9) | st.just([])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_graph_comes_back_as_it_was(architecture):
    graph, _ = random_model(3, architecture)
    assert Graph.from_json(graph.to_json()) == graph
    assert graph.generates == ("bert" not in architecture)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ARCHITECTURES), st.data())
def test_whatever_is_changed_only_a_graph_error_escapes(architecture, data):
    graph, _ = random_model(3, architecture)
    plain = json.loads(graph.to_json())
    target = data.draw(st.sampled_from([plain, *plain["nodes"]]))
    target[data.draw(st.sampled_from([*target, "heads", "causal", "eps"]))] = data.draw(anything)
    try:
        changed = Graph.from_json(json.dumps(plain).encode())
    except GraphError:
        return
    for node in changed.unquantised().values():
        assert 0 < node.heads <= node.width
        assert 0 <= node.eps < 1
