"""A model as a graph, and the interpreter that defines what the graph means."""
