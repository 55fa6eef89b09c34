"""Fixtures of the engine's tests."""

from __future__ import annotations

import pytest
from hollama_backends.null import NullModel

from tests.engine.desk import Desk, null_model


@pytest.fixture
def model() -> NullModel:
    return null_model()


@pytest.fixture
def desk(model: NullModel) -> Desk:
    return Desk(model)


@pytest.fixture
def make_desk():
    return lambda parallel=2, **limits: Desk(null_model(**limits), parallel)
