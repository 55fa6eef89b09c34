"""The float interpreter against Hugging Face transformers, on small random models of each architecture."""

import numpy as np
import pytest

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
MODELS = {
    "llama": ("LlamaForCausalLM", "LlamaConfig", {}),
    "llama with biases": ("LlamaForCausalLM", "LlamaConfig", {"attention_bias": True, "mlp_bias": True}),
    "llama 3 rope": ("LlamaForCausalLM", "LlamaConfig", {"rope_parameters": LLAMA3_ROPE}),
    "qwen2": ("Qwen2ForCausalLM", "Qwen2Config", {}),
    "qwen2 tied": ("Qwen2ForCausalLM", "Qwen2Config", {"tie_word_embeddings": True}),
    "qwen3": ("Qwen3ForCausalLM", "Qwen3Config", {"head_dim": 32}),
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", {"n_inner": 96}),
    "gpt2 with a head": ("GPT2LMHeadModel", "GPT2Config", {"tie_word_embeddings": False}),
}


@pytest.mark.parametrize("name", MODELS)
def test_logits_agree_with_transformers(name):
    class_name, config_name, differences = MODELS[name]
    torch.manual_seed(7)
    config = getattr(transformers, config_name)(**SIZES, **differences)
    model = getattr(transformers, class_name)(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # biases start at zero and norms at one: make them count
            parameter.add_(torch.randn_like(parameter) * 0.05)
        tokens = torch.randint(0, 97, (1, 60))
        expected = model(tokens).logits[0].numpy()
    graph, weights, shape = _build(class_name, config.to_dict(), model)
    arithmetic = FloatArithmetic(graph, weights, shape.signed_theta)
    found = run(graph, arithmetic, [Segment(arithmetic.cache(60), 0, tokens[0].tolist(), range(60))])
    assert np.abs(found - expected).max() < 1e-3
    assert np.abs(expected).max() > 0.1


def _build(class_name, config, model):
    architecture = by_class([class_name])
    shape = architecture.shape(config)
    graph, sources = architecture.build(shape)
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    turned = {name for part in architecture.transposed for name in state if name.endswith(f".{part}.weight")}
    state |= {name: state[name].T for name in turned}
    weights = {}
    for name, fused in sources.items():
        weights[name] = np.concatenate([state[f"{part}.weight"] for part in fused.parts])
        if f"{fused.parts[0]}.bias" in state:
            weights[f"{name}.bias"] = np.concatenate([state[f"{part}.bias"] for part in fused.parts])
    return graph, weights, shape
