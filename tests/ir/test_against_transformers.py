"""The float interpreter against Hugging Face transformers, on small random models of each architecture."""

import json

import numpy as np
import pytest

from hollama.compiler.checkpoint import Checkpoint, SpecialTokens
from hollama.compiler.float_weights import read_weights
from hollama.compiler.huggingface import FolderTensors
from hollama.formats.safetensors import open_folder
from hollama.ir.floating import FloatArithmetic
from hollama.ir.interpreter import Segment, run
from hollama.models.table import by_class

torch = pytest.importorskip("torch", reason="needs the extra `train` (PyTorch, transformers)")
transformers = pytest.importorskip("transformers", reason="needs the extra `train` (PyTorch, transformers)")

SIZES = {
    "vocab_size": 97, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 128, "rms_norm_eps": 1e-6,
}  # fmt: skip
LLAMA3_ROPE = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32, "rope_theta": 10000.0,
}  # fmt: skip
ENCODERS = {
    "bert": ("BertModel", "BertConfig", {}),
    "nomic-bert": ("NomicBertModel", "NomicBertConfig", {}),
}
MODELS = {
    "llama": ("LlamaForCausalLM", "LlamaConfig", {}),
    "llama with biases": ("LlamaForCausalLM", "LlamaConfig", {"attention_bias": True, "mlp_bias": True}),
    "llama 3 rope": ("LlamaForCausalLM", "LlamaConfig", {"rope_parameters": LLAMA3_ROPE}),
    "qwen2": ("Qwen2ForCausalLM", "Qwen2Config", {}),
    "qwen2 tied": ("Qwen2ForCausalLM", "Qwen2Config", {"tie_word_embeddings": True}),
    "qwen3": ("Qwen3ForCausalLM", "Qwen3Config", {"head_dim": 32}),
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", {"n_inner": 96}),
    "gpt2 with a head": ("GPT2LMHeadModel", "GPT2Config", {"n_inner": 96, "tie_word_embeddings": False}),
    **ENCODERS,
}


@pytest.mark.parametrize("name", MODELS)
def test_outputs_agree_with_transformers(tmp_path, name):
    """Logits or, of an encoder, hidden states; weights as transformers writes them and the compiler reads them."""
    class_name, config_name, differences = MODELS[name]
    torch.manual_seed(7)
    config = getattr(transformers, config_name)(**SIZES, **differences)
    model = getattr(transformers, class_name)(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # biases start at zero and norms at one: make them count
            parameter.add_(torch.randn_like(parameter) * 0.05)
        tokens = torch.randint(0, 97, (1, 60))
        output = model(tokens)
        expected = (output.last_hidden_state if name in ENCODERS else output.logits)[0].numpy()
    model.save_pretrained(tmp_path)
    architecture = by_class([class_name])
    shape = architecture.shape(json.loads((tmp_path / "config.json").read_text()))
    tensors = FolderTensors(open_folder(tmp_path), architecture)
    graph, sources = architecture.build(shape)
    weights = read_weights(graph, sources, Checkpoint(architecture, shape, tensors, b"", SpecialTokens()))
    arithmetic = FloatArithmetic(graph, weights, shape.signed_theta)
    found = run(graph, arithmetic, [Segment(arithmetic.cache(60), 0, tokens[0].tolist(), range(60))])
    assert np.abs(found - expected).max() < 1e-3
    assert np.abs(expected).max() > 0.1
