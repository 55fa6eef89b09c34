"""Measures how good a model is: perplexity and well-known tasks, by the protocols of the field.

A `Task` turns data into `Item`s, whose requests (`Scoring`, `Writing`) the engine answers, many at once; what the
answers are worth goes into a `Journal` and, at the end, into `Metric`s. The float reference is a `LoadedModel` like any
accelerator, so both go the same way. Processes (`--devices`) and machines (`--ray`) deal out items, nothing else.
"""
