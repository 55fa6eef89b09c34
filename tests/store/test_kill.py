"""A process that is killed while it ingests and creates leaves a whole store behind."""

import hashlib
import random
import subprocess
import sys
import time
from pathlib import Path

from hollama.store.store import Store

CHILD = """
import os, sys
from pathlib import Path
from hollama.store.manifest import GGUF, SYSTEM, ModelConfig
from hollama.store.names import ModelName
from hollama.store.store import Store

store = Store(Path(sys.argv[1]))
print("ready", flush=True)
turn = 0
while True:
    turn += 1
    layers = [store.add_blob(os.urandom(200_000), GGUF), store.add_blob(b"same", SYSTEM)]
    store.write_manifest(ModelName.parse(f"m{turn % 3}"), ModelConfig(model_type=str(turn)), layers)
    if turn % 4 == 0:
        store.delete(f"m{turn % 3}")
    else:
        store.copy(f"m{turn % 3}", "copy")
"""


def test_killed_at_any_moment(tmp_path: Path) -> None:
    chance = random.Random(5)
    for _ in range(8):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE)
        assert child.stdout and child.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0.01, 0.2))
        child.kill()
        child.communicate()
        _check(Store(tmp_path))
    assert Store(tmp_path).models()


def _check(store: Store) -> None:
    paths = list((store.root / "manifests").glob("*/*/*/*"))
    models = store.models()
    assert len(models) == len(paths)
    for model in models:
        for layer in model.layers:
            data = store.blob_path(layer.digest).read_bytes()
            assert (len(data), "sha256:" + hashlib.sha256(data).hexdigest()) == (layer.size, layer.digest)
