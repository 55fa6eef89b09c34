"""Llama 2 and 3 (also TinyLlama, SmolLM2): no biases unless the config says so."""

from hollama.models.architecture import Architecture, Config, decoder_shape
from hollama.models.decoder import DecoderShape


def shape(config: Config) -> DecoderShape:
    bias = config.get("attention_bias") is True
    mlp_bias = config.get("mlp_bias") is True
    return decoder_shape(config, qkv_bias=bias, output_bias=bias, mlp_bias=mlp_bias)


ARCHITECTURE = Architecture("llama", ("LlamaForCausalLM",), shape, interleaved=True)
