"""Checks the files of a saved model before anything is loaded, and without torch.

Each check answers one question that a user would otherwise have to find out from a traceback, or from a
score: is every file here, whole, and of a format that transformers reads?
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_llmeval.core.errors import ModelUnusable, one_line

#: the names of weights, in the order in which transformers looks for them
_WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_JSON_FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
)
_TEXT_SUFFIXES = (".jinja", ".model", ".tiktoken", ".py")
#: the first bytes of files that only point to their content, and the command that fetches it
_POINTERS = {
    b"version https://git-lfs.github.com/spec/": ("Git LFS", "git lfs pull"),
    b"/annex/objects/": ("git-annex", "git annex get"),
}
_POINTER_BYTES = 1024
#: the largest JSON file that is parsed here; larger ones, such as tokenizer.json, are checked by their ends
_JSON_BYTES = 1 << 20
_VOCABULARY = re.compile(r"vocab|tokenizer|spiece|sentencepiece|merges|bpe|tiktoken|tekken", re.IGNORECASE)
#: tokenizers of bytes or characters, which need no file
_WITHOUT_VOCABULARY = ("ByT5Tokenizer", "CanineTokenizer", "PerceiverTokenizer")
#: weights in other formats, by the pattern of their names, and what to do with them
_OTHER_FORMATS = (
    (r".*\.gguf", "weights in GGUF; name the file itself: --llm-model=hf:{path}"),
    (
        r"consolidated.*\.(pth|safetensors)|params\.json",
        "weights in their author's format ({name}); download or convert to the Hugging Face format",
    ),
    (
        r"(model|pytorch_model)-\d+-of-\d+\.(safetensors|bin)",
        "shards without their index (model.safetensors.index.json or pytorch_model.bin.index.json); "
        "download that file as well",
    ),
    (
        r"global_step\d+|.*\.distcp|mp_rank_.*|pytorch_model_fsdp.*|.*_optim_states\.pt|zero_to_fp32\.py",
        "a training run's checkpoint in parts ({name}); gather it with the trainer's own tool, for instance "
        "zero_to_fp32.py, and save_pretrained",
    ),
    (
        r".*\.(incomplete|part|aria2|crdownload|download)",
        "an unfinished download ({name}); finish it",
    ),
    (
        r".*\.(pt|pth|ckpt|h5|msgpack|onnx|npz|ot|tflite)",
        "weights in another format ({name}); save them with save_pretrained, as model.safetensors",
    ),
    (
        r"(?!training_args|optimizer|scheduler|scaler|adapter_).*\.(safetensors|bin)",
        "weights under another name ({name}); transformers reads model.safetensors or pytorch_model.bin",
    ),
)
_ORDINARY = re.compile(r"optimizer|scheduler|scaler|rng_state|training_args|tokenizer", re.IGNORECASE)
_MAX_NAMES = 3


def check_files(folder: Path, where: str) -> Mapping[str, Any]:
    """Check the files of a model that transformers is to load, and return its config.json.

    Raises ``ModelUnusable``.
    """
    with _readable(where):
        names = sorted(os.listdir(folder))
        _check_adapter(folder, names, where)
        if "config.json" not in names:
            raise _no_config(folder, names, where)
        _check_text_files(folder, names, where)
        _check_weights(folder, names, where)
        _check_tokenizer(folder, names, where)
        return _read_json(folder / "config.json", where)


def check_whole(folder: Path, where: str) -> None:
    """Check only that files are whole: a server may read adapters and other formats.

    Raises ``ModelUnusable``.
    """
    with _readable(where):
        names = sorted(os.listdir(folder))
        _check_text_files(folder, names, where)
        if any(name in _WEIGHTS for name in names):
            _check_weights(folder, names, where)


def check_gguf(file: Path, where: str) -> None:
    """Check that ``file`` is a GGUF file. Raises ``ModelUnusable``."""
    with _readable(where):
        _check_pointers([file], where)
        with file.open("rb") as stream:
            magic = stream.read(4)
    if magic != b"GGUF":
        raise ModelUnusable(f"{where}: {file} is not a GGUF file; download it again")


@contextlib.contextmanager
def _readable(where: str) -> Iterator[None]:
    """Raise ``ModelUnusable`` for a file that cannot be read."""
    try:
        yield
    except OSError as error:
        raise ModelUnusable(f"{where}: {error.filename} cannot be read: {error.strerror}") from None


def _check_adapter(folder: Path, names: list[str], where: str) -> None:
    if "adapter_config.json" not in names:
        return
    _check_pointers([folder / "adapter_config.json"], where)
    base = one_line(_read_json(folder / "adapter_config.json", where).get("base_model_name_or_path"), 80)
    if any(name in _WEIGHTS for name in names):
        raise ModelUnusable(
            f"{where}: {folder} has an adapter (adapter_config.json) beside a whole model; if it is merged, "
            "remove adapter_config.json, else merge it (peft: merge_and_unload) and save the result"
        )
    raise ModelUnusable(
        f"{where}: {folder} is an adapter of {base}, not a whole model; merge both (peft: merge_and_unload), "
        "save the result with its tokenizer, and evaluate that folder"
    )


def _no_config(folder: Path, names: list[str], where: str) -> ModelUnusable:
    if "model_index.json" in names:
        return ModelUnusable(
            f"{where}: {folder} is a diffusion pipeline (model_index.json), not a language model"
        )
    reason = None if any(name in _WEIGHTS for name in names) else _other_format(folder, names)
    if reason is not None:
        return ModelUnusable(f"{where}: {folder} has no config.json, but {reason}")
    return ModelUnusable(
        f"{where}: {folder} has no config.json; {_inner_model(folder) or 'use the folder of a saved model'}"
    )


def _inner_model(folder: Path) -> str | None:
    """Which folder inside may be meant: a training run's checkpoint, or a snapshot of the hub's cache."""
    inner = [
        path.parent for pattern in ("*", "snapshots/*") for path in folder.glob(f"{pattern}/config.json")
    ]
    if not inner:
        return None
    latest = max(inner, key=lambda path: path.stat().st_mtime)
    return f"did you mean {latest}?"


def _other_format(folder: Path, names: Iterable[str]) -> str | None:
    """The weights that ``folder`` has in a form that transformers does not read, if any."""
    usable = [name for name in names if not _ORDINARY.match(name)]
    for pattern, reason in _OTHER_FORMATS:
        for name in usable:
            if re.fullmatch(pattern, name):
                return reason.format(name=one_line(name, 80), path=folder / name)
    return None


def _check_text_files(folder: Path, names: list[str], where: str) -> None:
    """Check that config, tokenizer and template are there themselves, and are JSON where they should be."""
    _check_pointers(
        (
            folder / name
            for name in names
            if name in _JSON_FILES or _VOCABULARY.search(name) or name.endswith(_TEXT_SUFFIXES)
        ),
        where,
    )
    for path in (folder / name for name in _JSON_FILES if name in names):
        if path.stat().st_size <= _JSON_BYTES:
            _read_json(path, where)
        else:
            _check_json_ends(path, where)


def _check_pointers(paths: Iterable[Path], where: str) -> None:
    """Check that files are not missing behind a link, and are no pointers of Git LFS and the like."""
    pointers: dict[tuple[str, str], list[Path]] = {}
    for path in paths:
        if path.is_symlink() and not path.exists():
            raise ModelUnusable(
                f"{where}: {path} is a link to a file that is not there ({os.readlink(path)}); "
                "download the model again, or copy it with links followed"
            )
        if not path.is_file() or path.stat().st_size > _POINTER_BYTES:
            continue
        with path.open("rb") as file:
            start = file.read(64)
        for prefix, tool in _POINTERS.items():
            if start.startswith(prefix):
                pointers.setdefault(tool, []).append(path)
    for (kind, command), files in pointers.items():
        raise ModelUnusable(
            f"{where}: {files[0].parent} has {kind} pointers instead of files "
            f"({_listed(path.name for path in files)}); run `{command}` there"
        )


def _check_weights(folder: Path, names: list[str], where: str) -> None:
    name = next((name for name in _WEIGHTS if name in names), None)
    if name is None:
        reason = _other_format(folder, names)
        if reason is not None:
            raise ModelUnusable(f"{where}: {folder} has no model.safetensors, but {reason}")
        hint = _inner_model(folder) or "is the download complete?"
        raise ModelUnusable(f"{where}: {folder} has no weights (*.safetensors or *.bin); {hint}")
    if not name.endswith(".index.json"):
        _check_shards({folder / name: None}, where)
        return
    index = folder / name
    _check_pointers([index], where)
    files = _read_json(index, where).get("weight_map")
    if not isinstance(files, dict) or not all(isinstance(file, str) for file in files.values()):
        raise ModelUnusable(f"{where}: {index} has no weight_map; download it again")
    missing = sorted({file for file in files.values() if not os.path.lexists(folder / file)})
    if missing:
        raise ModelUnusable(
            f"{where}: {folder} lacks {len(missing)} of {len(set(files.values()))} files of weights that "
            f"{name} names ({_listed(missing)}); is the download complete?"
        )
    shards: dict[Path, set[str] | None] = {}
    for tensor, file in files.items():
        known = shards.setdefault(folder / file, set())
        assert known is not None
        known.add(tensor)
    _check_shards(shards, where)


def _check_shards(shards: Mapping[Path, set[str] | None], where: str) -> None:
    """Check files of weights by the names of the tensors that an index places there (None: no index)."""
    _check_pointers(shards, where)
    for path, tensors in shards.items():
        if path.suffix == ".safetensors":
            lacking = sorted((tensors or set()) - _safetensors(path, where))
            if lacking:
                raise ModelUnusable(
                    f"{where}: {path} lacks weights that the index places there, {len(lacking)} in all "
                    f"({_listed(lacking)}); index and files are of different checkpoints, download both again"
                )
        else:
            _check_pickle(path, where)


def _safetensors(path: Path, where: str) -> set[str]:
    """The names of a file's tensors, from its header. Raises ``ModelUnusable`` if it is not complete."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        try:
            header: Any = json.loads(file.read(length)) if 0 < length <= size else None
            tensors = {name: tensor for name, tensor in header.items() if name != "__metadata__"}
            expected = 8 + length + max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
        except (ValueError, AttributeError, TypeError, KeyError, IndexError):
            raise ModelUnusable(
                f"{where}: {path} ({size:,} bytes) is not a complete safetensors file; download it again"
            ) from None
    if expected > size:
        raise ModelUnusable(f"{where}: {path} is cut off: {size:,} of {expected:,} bytes; download it again")
    return set(tensors)


def _check_pickle(path: Path, where: str) -> None:
    """Check the ends of a file that torch.save wrote: a zip archive, or a pickle in old versions."""
    with path.open("rb") as file:
        start = file.read(2)
    if start == b"PK" and zipfile.is_zipfile(path):
        return
    if start[:1] != b"\x80":
        raise ModelUnusable(
            f"{where}: {path} ({path.stat().st_size:,} bytes) is not a complete file of torch.save; "
            "download it again"
        )


def _check_tokenizer(folder: Path, names: list[str], where: str) -> None:
    settings = _read_json(folder / "tokenizer_config.json", where) if "tokenizer_config.json" in names else {}
    if "auto_map" in settings or settings.get("tokenizer_class") in _WITHOUT_VOCABULARY:
        return
    if not any(_VOCABULARY.search(name) and name != "tokenizer_config.json" for name in names):
        raise ModelUnusable(
            f"{where}: {folder} has no tokenizer (tokenizer.json, tokenizer.model or vocab.json); copy it "
            "from the model that this one was trained from, or save it with tokenizer.save_pretrained"
        )


def _read_json(path: Path, where: str) -> Mapping[str, Any]:
    """The object in a JSON file. Raises ``ModelUnusable``."""
    content = path.read_bytes()
    try:
        value = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise _not_json(path, where, "is empty" if not content.strip() else one_line(error, 80)) from None
    if not isinstance(value, dict):
        raise _not_json(path, where, "not an object")
    return value


def _check_json_ends(path: Path, where: str) -> None:
    with path.open("rb") as file:
        start = file.read(1)
        file.seek(-16, os.SEEK_END)
        end = file.read().rstrip()[-1:]
    if (start, end) != (b"{", b"}"):
        raise _not_json(
            path, where, "its end is missing" if start == b"{" else "it begins with something else"
        )


def _not_json(path: Path, where: str, reason: str) -> ModelUnusable:
    return ModelUnusable(f"{where}: {path} is not valid JSON ({reason}); download it again")


def _listed(names: Iterable[str]) -> str:
    """The first few names, and that there are more."""
    listed = list(names)
    return one_line(", ".join(listed[:_MAX_NAMES]), 160) + (", ..." if len(listed) > _MAX_NAMES else "")
