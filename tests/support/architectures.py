"""Tiny random models of many architectures, for comparing engines with transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.tiny_models import load_tokenizer, save_tokenizer

_SEED = 11
# what is added to every weight, so that biases and norms, which begin as 0 and 1, count too
_NOISE = 0.15
_POSITIONS = 256

_BASE: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": _POSITIONS,
    "tie_word_embeddings": False,
}
_HEAD = {"head_dim": 16}
_WINDOW = {"sliding_window": 20, "layer_types": ["sliding_attention", "full_attention"]}
_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
_SHARED_EXPERTS = {"shared_expert_intermediate_size": 32, "decoder_sparse_step": 1}
_LOCAL_EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
_ROUTED_EXPERTS = {
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_shared_experts": 1,
    "moe_intermediate_size": 32,
    "n_group": 2,
    "topk_group": 1,
    "first_k_dense_replace": 1,
}
_LATENT = {
    "q_lora_rank": 24,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 8,
    "v_head_dim": 16,
    "num_key_value_heads": 4,
}
_GPT = {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": _POSITIONS, "n_inner": 96}
_LINEAR = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "layer_types": ["linear_attention", "full_attention"],
}
_MAMBA = {"mamba_d_state": 8, "mamba_n_heads": 8, "mamba_d_head": 16, "mamba_expand": 2, "mamba_n_groups": 1}


def _longrope(original: int, **scales: float) -> dict[str, Any]:
    """Scaled rotary positions: other frequencies as soon as a pass is longer than ``original``."""
    return {
        "original_max_position_embeddings": original,
        "rope_parameters": {
            "rope_type": "longrope",
            "rope_theta": 10000.0,
            "short_factor": [1.0 + 0.1 * n for n in range(8)],
            "long_factor": [2.0 + 0.9 * n for n in range(8)],
            "original_max_position_embeddings": original,
            **scales,
        },
    }


#: by name: the model type of transformers, and its settings besides ``_BASE``
ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "apertus": ("apertus", {}),
    "arcee": ("arcee", _HEAD),
    "bamba": ("bamba", _MAMBA | {"attn_layer_indices": [1]}),
    "biogpt": ("biogpt", {}),
    "bitnet": ("bitnet", {}),
    "bloom": ("bloom", {"n_layer": 2, "n_head": 4}),
    "codegen": ("codegen", _GPT | {"rotary_dim": 8, "n_ctx": _POSITIONS}),
    "cohere": ("cohere", {"logit_scale": 1.0}),
    "cohere2": ("cohere2", _HEAD | _WINDOW | {"logit_scale": 1.0}),
    "ctrl": ("ctrl", {"n_embd": 64, "n_layer": 2, "n_head": 4, "dff": 96, "n_positions": _POSITIONS}),
    "deepseek_v2": ("deepseek_v2", _LATENT | _ROUTED_EXPERTS | {"topk_method": "greedy"}),
    "deepseek_v3": ("deepseek_v3", _LATENT | _ROUTED_EXPERTS),
    "diffllama": ("diffllama", _HEAD),
    "doge": ("doge", _HEAD),
    "dots1": ("dots1", _HEAD | _ROUTED_EXPERTS | {"layer_types": ["full_attention"] * 2}),
    "ernie4_5": ("ernie4_5", _HEAD),
    "ernie4_5_moe": (
        "ernie4_5_moe",
        {"moe_num_experts": 4, "moe_k": 2, "moe_intermediate_size": 32, "moe_layer_start_index": 0},
    ),
    "exaone4": ("exaone4", _HEAD | _WINDOW),
    "falcon_alibi": ("falcon", {"alibi": True, "num_key_value_heads": None}),
    "falcon_h1": ("falcon_h1", _HEAD | _MAMBA | {"mamba_d_ssm": 128}),
    "falcon_mamba": ("falcon_mamba", {"state_size": 8}),
    "falcon_rotary": ("falcon", {"new_decoder_architecture": True, "num_kv_heads": 2}),
    "flex_olmo": ("flex_olmo", _EXPERTS),
    "gemma": ("gemma", _HEAD),
    "gemma2": ("gemma2", _HEAD | _WINDOW | {"query_pre_attn_scalar": 16}),
    "gemma3": ("gemma3_text", _HEAD | _WINDOW | {"query_pre_attn_scalar": 16}),
    "glm": ("glm", _HEAD),
    "glm4": ("glm4", _HEAD),
    "glm4_moe": ("glm4_moe", _HEAD | _ROUTED_EXPERTS),
    "gpt2": ("gpt2", _GPT),
    "gpt_bigcode": ("gpt_bigcode", _GPT),
    "gpt_neo": (
        "gpt_neo",
        {"num_layers": 2, "num_heads": 4, "window_size": 20, "attention_types": [[["global", "local"], 1]]},
    ),
    "gpt_neox": ("gpt_neox", {}),
    "gpt_oss": ("gpt_oss", _HEAD | _WINDOW | _LOCAL_EXPERTS),
    "gptj": ("gptj", _GPT | {"rotary_dim": 8}),
    "granite": ("granite", {}),
    "granitemoe": ("granitemoe", _LOCAL_EXPERTS),
    "granitemoehybrid": (
        "granitemoehybrid",
        _MAMBA | _LOCAL_EXPERTS | {"layer_types": ["mamba", "attention"], "shared_intermediate_size": 32},
    ),
    "helium": ("helium", _HEAD),
    "hunyuan": ("hunyuan_v1_dense", _HEAD),
    "jamba": (
        "jamba",
        _EXPERTS
        | {"attn_layer_period": 2, "attn_layer_offset": 1, "mamba_d_state": 8, "use_mamba_kernels": False},
    ),
    "jetmoe": ("jetmoe", {"kv_channels": 16} | _LOCAL_EXPERTS),
    "lfm2": ("lfm2", {"layer_types": ["conv", "full_attention"]}),
    "lfm2_moe": ("lfm2_moe", _EXPERTS | {"layer_types": ["conv", "full_attention"], "num_dense_layers": 1}),
    "llama": ("llama", _HEAD),
    "llama_linear_scaling": (
        "llama",
        _HEAD | {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}},
    ),
    "llama_dynamic_scaling": (
        "llama",
        _HEAD | {"rope_parameters": {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10000.0}},
    ),
    "mamba": ("mamba", {"state_size": 8}),
    "mamba2": ("mamba2", {"state_size": 8, "num_heads": 8, "head_dim": 16, "n_groups": 1, "chunk_size": 16}),
    "minimax": ("minimax", _HEAD | _LOCAL_EXPERTS | {"layer_types": ["linear_attention", "full_attention"]}),
    "ministral": ("ministral", _HEAD | _WINDOW),
    "ministral3": ("ministral3", _HEAD),
    "mistral": ("mistral", _HEAD | {"sliding_window": 20}),
    "mixtral": ("mixtral", _LOCAL_EXPERTS),
    "mpt": ("mpt", {"d_model": 64, "n_heads": 4, "n_layers": 2, "max_seq_len": _POSITIONS}),
    "nemotron": ("nemotron", _HEAD),
    "olmo": ("olmo", {}),
    "olmo2": ("olmo2", {}),
    "olmo3": ("olmo3", _WINDOW),
    "olmoe": ("olmoe", _EXPERTS),
    "opt": ("opt", {"ffn_dim": 96, "word_embed_proj_dim": 64}),
    "persimmon": ("persimmon", {}),
    "phi": ("phi", {}),
    "phi3": ("phi3", {}),
    "phi3_longrope": ("phi3", _longrope(40)),
    "phi3_longrope_shared": ("phi3", _longrope(85)),
    "phimoe": ("phimoe", _LOCAL_EXPERTS),
    "phimoe_longrope": ("phimoe", _LOCAL_EXPERTS | _longrope(40, short_mscale=1.1, long_mscale=1.3)),
    "qwen2": ("qwen2", {}),
    "qwen2_moe": ("qwen2_moe", _EXPERTS | _SHARED_EXPERTS),
    "qwen3": ("qwen3", _HEAD),
    "qwen3_moe": ("qwen3_moe", _HEAD | _EXPERTS | {"decoder_sparse_step": 1}),
    "qwen3_next": ("qwen3_next", _HEAD | _EXPERTS | _SHARED_EXPERTS | _LINEAR),
    "recurrent_gemma": (
        "recurrent_gemma",
        {"attention_window_size": 20, "lru_width": 64, "block_types": ["recurrent", "attention"]},
    ),
    "rwkv": ("rwkv", {"attention_hidden_size": 64, "context_length": _POSITIONS}),
    "seed_oss": ("seed_oss", _HEAD),
    "smollm3": ("smollm3", {"no_rope_layers": [1, 0]}),
    "stablelm": ("stablelm", {}),
    "starcoder2": ("starcoder2", {}),
    "xglm": ("xglm", {"d_model": 64, "num_layers": 2, "attention_heads": 4, "ffn_dim": 96}),
    "xlstm": ("xlstm", {"num_heads": 4, "chunk_size": 16}),
    "zamba": ("zamba", {"layer_types": ["mamba", "hybrid"], "n_mamba_heads": 2, "mamba_d_state": 8}),
    "zamba2": (
        "zamba2",
        {
            "num_hidden_layers": 4,
            "layers_block_type": ["mamba", "hybrid", "mamba", "hybrid"],
            "num_mem_blocks": 1,
            "mamba_d_state": 8,
            "n_mamba_heads": 8,
            "mamba_ngroups": 1,
        },
    ),
}


def save_architecture(folder: Path, name: str) -> Any:
    """Save a random model and a tokenizer in ``folder``; returns the model, in float32."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    model_type, settings = ARCHITECTURES[name]
    vocabulary = save_tokenizer(folder, template=None) + 8
    config = AutoConfig.for_model(
        model_type,
        vocab_size=vocabulary,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=None,
        **(_BASE | settings),
    )
    torch.manual_seed(_SEED)
    from_config: Any = AutoModelForCausalLM.from_config
    model = from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=_NOISE)
    model.save_pretrained(folder)
    return model


class Reference:
    """transformers' own forward pass of one unpadded sequence, without a cache."""

    def __init__(self, model: Any, folder: Path) -> None:
        self._model = model
        self._tokenizer = load_tokenizer(folder)

    def scores(self, prompt: str, choices: Mapping[str, str]) -> dict[str, float]:
        head = self._tokenizer.encode(prompt)
        scores = {}
        for label, choice in choices.items():
            tail = self._tokenizer.encode(prompt + choice)[len(head) :]
            logits = self._logits([*head, *tail[:-1]])[-len(tail) :].double().log_softmax(-1)
            scores[label] = sum(float(row[token]) for row, token in zip(logits, tail, strict=True))
        return scores

    def text(self, prompt: str, max_tokens: int) -> str:
        ids = self._tokenizer.encode(prompt)
        written: list[int] = []
        while len(written) < max_tokens:
            token = int(self._logits([*ids, *written])[-1].argmax())
            if token == self._tokenizer.eos_token_id:
                break
            written.append(token)
        return str(self._tokenizer.decode(written, skip_special_tokens=True))

    def _logits(self, ids: Sequence[int]) -> Any:
        import torch

        with torch.inference_mode():
            logits: Any = self._model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
        return logits
