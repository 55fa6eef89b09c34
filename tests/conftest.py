"""Fixtures of the whole suite: where the real data lies, if it does."""
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No test is timed: a busy machine is no bug. Where CI is set, Hypothesis draws the same examples each time.
settings.register_profile("hollama", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hollama")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real weights, tokenizers and texts beside the checkout; they are not part of the project."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "data" / "INDEX.md").exists() and not (folder / "data").is_dir():
        pytest.skip("needs the real test data in ../shared, which is not beside this checkout")
    return folder
