"""A distribution of a third party, really built and installed, changes what the engine draws."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hollama.interfaces import SamplerContext

EXAMPLE = Path(__file__).resolve().parents[2] / "plugins" / "hollama-sampler-top-n-sigma"

LIST = """
from hollama.plugins import load_plugins
print(load_plugins().samplers["top_n_sigma"].owner)
"""

DRAW = """
import asyncio, sys
from hollama_backends.null import NullModel, hashed
from hollama.engine import Engine, Job
from hollama.interfaces import Limits
from hollama.plugins import load_plugins

class Listener:
    def accept(self, token):
        return "", False
    def flush(self):
        return ""

async def answer(**options):
    job = Job((1, 2, 3), Listener(), {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "num_predict": 8, **options})
    return [event async for event in engine.submit(job)][-1].tokens

samplers = [contribution.spec for contribution in load_plugins().samplers.values()]
engine = Engine(NullModel(hashed(50), 50, Limits(64, 8, 4)), samplers, parallel=1, context=64)
without = {asyncio.run(answer(seed=seed)) for seed in range(4)}
cut = {asyncio.run(answer(seed=seed, top_n_sigma=1e-6)) for seed in range(4)}
greedy = asyncio.run(answer(temperature=0))
engine.close()
print(len(without), cut == {greedy})
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the example installed in it, as `pip install` does from its source."""
    pytest.importorskip("hatchling", reason="needs hatchling, which builds the example, to be installed")
    pytest.importorskip("pip", reason="needs pip to be installed")
    folder = tmp_path_factory.mktemp("third-party")
    source = shutil.copytree(EXAMPLE, folder / "source")
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    subprocess.run([sys.executable, "-m", "pip", "install", *offline, "--target", folder / "site", source], check=True)
    return folder / "site"


def run(site, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_is_listed_with_its_owner(installed):
    assert run(installed, "-c", LIST) == "top-n-sigma (hollama-sampler-top-n-sigma 0.1.0)"


def test_the_engine_draws_through_it(installed):
    """With next to no deviation allowed, every seed gives the greedy answer."""
    assert run(installed, "-c", DRAW) == "4 True"


def test_its_own_tests_pass(installed):
    assert "4 passed" in run(installed, "-m", "pytest", "-p", "no:cacheprovider", str(EXAMPLE))


def test_its_readme_has_a_plugin_that_works():
    readme = (EXAMPLE / "README.md").read_text()
    code = readme.split("```python\n")[1].split("```")[0]
    namespace: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), namespace)
    (spec,) = namespace["hollama_samplers"]()  # type: ignore[operator]
    assert spec.build(SamplerContext({}, (), 2, 8)) is None
    assert spec.build(SamplerContext({"loud": 2}, (), 2, 8))(3) == 6
    assert len(code.strip().splitlines()) <= 13
