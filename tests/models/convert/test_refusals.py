"""What keeps a checkpoint from being converted: code and what leads to it, in every place a repository can put it."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.convert.architectures import known_architectures
from models.convert.checkpoint import check_checkpoint
from models.convert.refusals import refused_setting
from models.convert.weights import read_tensors
from models.errors import ConvertFailed, ConvertRefused
from models.llamacpp import EngineBuild
from tests.models.conftest import Known

Change = Callable[[Path], None]


@pytest.fixture
def scripts(build: EngineBuild) -> Path:
    assert build.convert_dir is not None
    return build.convert_dir


@pytest.fixture
def checkpoint(known: Callable[[str], Known], tmp_path: Path) -> Path:
    """A good checkpoint of its own for each test."""
    return Path(shutil.copytree(known("qwen2").folder, tmp_path / "model"))


def setting(file: str, **values: Any) -> Change:
    def change(folder: Path) -> None:
        path = folder / file
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


def added(name: str, content: str = "import pathlib; pathlib.Path('canary').write_text('ran')") -> Change:
    def change(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)

    return change


def linked(name: str, target: str) -> Change:
    return lambda folder: (folder / name).symlink_to(target)


def fifo(folder: Path) -> None:
    os.mkfifo(folder / "vocab.txt")


def cut_short(folder: Path) -> None:
    path = folder / "model.safetensors"
    os.truncate(path, path.stat().st_size - 100)


def without(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def with_index(weight_map: Any) -> Change:
    return added("model.safetensors.index.json", json.dumps({"weight_map": weight_map}))


CODE = [
    (added("tokenizer.py"), "it holds code (tokenizer.py)"),
    (added("code/modeling_x.PY"), "it holds code (code/modeling_x.PY)"),
    (added("libhook.so", ""), "it holds code (libhook.so)"),
    (setting("config.json", auto_map={"AutoConfig": "configuration_x.XConfig"}), "the setting 'auto_map'"),
    (setting("tokenizer_config.json", auto_map={"AutoTokenizer": ["a/b--tok.T", None]}), "the setting 'auto_map'"),
    (setting("config.json", text_config={"auto_map": {}}), "the setting 'auto_map'"),
    (setting("config.json", _attn_implementation_internal="evil/kernel"), "'_attn_implementation_internal'"),
    (setting("config.json", _attn_implementation_internal=None), "'_attn_implementation_internal'"),
    (setting("config.json", attn_implementation="evil/kernel:run"), "'attn_implementation'"),
    (setting("config.json", vision_config={"_attn_implementation": "evil/kernel"}), "'_attn_implementation'"),
    (setting("config.json", custom_pipelines={"x": {"impl": "pipe.Pipe"}}), "the setting 'custom_pipelines'"),
    (setting("generation_config.json", custom_generate="evil/repo"), "the setting 'custom_generate'"),
    (setting("config.json", trust_remote_code=True), "the setting 'trust_remote_code'"),
    (setting("config.json", loader="evil/repo--module.Class"), "the setting 'loader' points to code"),
    (setting("config.json", loader="hooks/run.py"), "the setting 'loader' points to code"),
    (setting("config.json", _hook="anything"), "the setting '_hook' is a library's own"),
    (setting("config.json", rope_scaling=[{"_hook": ["x"]}]), "the setting '_hook' is a library's own"),
]
WEIGHTS = [
    (added("pytorch_model.bin"), "weights in a format that can run code when it is read (pytorch_model.bin)"),
    (added("original/consolidated.00.pth"), "(original/consolidated.00.pth)"),
    (added("optimizer.PKL"), "(optimizer.PKL)"),
    (added("rng.npy"), "(rng.npy)"),
    (cut_short, "it is truncated: 100 bytes are missing"),
    (without("model.safetensors"), "it has no weights in model.safetensors"),
    (with_index({"a": "model-00001-of-00002.safetensors"}), "'model-00001-of-00002.safetensors' is missing"),
    (with_index({"a": "../other/model.safetensors"}), "'../other/model.safetensors' is missing"),
    (with_index({}), "it has no weights"),
    (with_index([]), "lists no weights"),
]
SHAPE = [
    (linked("vocab.txt", "/etc/passwd"), "a link that leads out of it (vocab.txt)"),
    (linked("more", "/etc"), "a link that leads out of it (more)"),
    (linked("vocab.txt", "nowhere"), "a link that leads nowhere (vocab.txt)"),
    (linked("loop", "."), "a link to a folder (loop)"),
    (fifo, "no regular file (vocab.txt)"),
    (without("config.json"), "it has no config.json"),
    (added("config.json", "{"), "it is no JSON"),
    (added("config.json", "[" * 100_000), "it is no JSON"),
    (added("config.json", "[]"), "does not say which architecture"),
    (setting("config.json", architectures=["EvilForCausalLM"]), "cannot convert the architecture 'EvilForCausalLM'"),
    (setting("config.json", architectures=[]), "does not say which architecture"),
]


@pytest.mark.accept(19)
@pytest.mark.parametrize(("change", "reason"), CODE + WEIGHTS + SHAPE)
def test_a_hostile_or_broken_checkpoint_is_refused_with_the_reason(
    change: Change, reason: str, checkpoint: Path, scripts: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    check_checkpoint(checkpoint, scripts)  # it is a good one until it is changed
    change(checkpoint)

    with pytest.raises(ConvertRefused) as refused:
        check_checkpoint(checkpoint, scripts)

    assert reason in refused.value.message
    assert not (tmp_path / "canary").exists()


def test_a_name_near_a_known_architecture_is_told(checkpoint: Path, scripts: Path) -> None:
    setting("config.json", architectures=["Qwen2ForCausalML"])(checkpoint)

    with pytest.raises(ConvertRefused) as refused:
        check_checkpoint(checkpoint, scripts)

    assert "Qwen2ForCausalLM" in refused.value.hint


def test_pickled_weights_beside_safetensors_are_told_apart(checkpoint: Path, scripts: Path) -> None:
    added("pytorch_model.bin")(checkpoint)

    with pytest.raises(ConvertRefused) as refused:
        check_checkpoint(checkpoint, scripts)

    assert refused.value.hint == (
        "The weights are there as safetensors too: without pytorch_model.bin the folder can be converted."
    )


def test_what_a_converter_does_not_read_stays_out_of_its_sight(checkpoint: Path, scripts: Path) -> None:
    for name in ("notes.md", "scores.csv", "other.json", ".hidden/x.txt", "model.gguf"):
        added(name, "{}")(checkpoint)
    shutil.copy(checkpoint / "model.safetensors", checkpoint / "consolidated.safetensors")

    found = check_checkpoint(checkpoint, scripts)

    assert found.weights == ("model.safetensors",)
    assert set(found.settings) == {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}
    assert found.weights_bytes == sum(tensor.parameters for tensor in found.tensors) * 4


def test_the_hugging_face_cache_is_read_where_it_lies(checkpoint: Path, scripts: Path, tmp_path: Path) -> None:
    """Its snapshots are links to blobs beside them: the only links out of a folder that are followed."""
    repository = tmp_path / "hub" / "models--org--name"
    snapshot, blobs = repository / "snapshots" / ("0" * 40), repository / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number, path in enumerate(checkpoint.iterdir()):
        path.rename(blobs / str(number))
        (snapshot / path.name).symlink_to(f"../../blobs/{number}")

    assert check_checkpoint(snapshot, scripts).architecture == "Qwen2ForCausalLM"

    (snapshot / "vocab.txt").symlink_to("../../../../secret")
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(ConvertRefused, match="a link that leads out of it"):
        check_checkpoint(snapshot, scripts)


@pytest.mark.parametrize(
    "settings",
    [
        {"_name_or_path": "/home/me/models--org--name", "_sliding_window_pattern": 6, "attn_implementation": "sdpa"},
        {"_attn_implementation": None, "_scale": 0.5, "_flag": True},
        {"chat_template": "{{ x.py }}", "added_tokens_decoder": {"0": {"content": "a/b--c.py"}}},
        {"auto": "map", "languages": ["py", "c"], "base_model": "org/name"},
    ],
)
def test_ordinary_settings_are_not_refused(settings: dict[str, Any]) -> None:
    assert refused_setting(settings) == ""


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 12]}},
        {"a": {"dtype": "F32", "shape": [-2, -2], "data_offsets": [0, 16]}},
        {"a": {"dtype": "F99", "shape": [4], "data_offsets": [0, 16]}},
        {"a": {"dtype": "F32", "shape": [1 << 62, 4], "data_offsets": [0, 16]}},
        {"a": {"dtype": "F32", "shape": [4], "data_offsets": [-16, 0]}},
        {"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}},
        {"a": {"shape": [4]}},
        {"a": 1},
        [],
    ],
)
def test_a_safetensors_header_that_lies_is_refused(header: Any, tmp_path: Path) -> None:
    text = json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(16))

    with pytest.raises(ConvertRefused, match=r"model\.safetensors is refused"):
        read_tensors(path)


@pytest.mark.parametrize(
    "start", [b"", b"1234567", struct.pack("<Q", 1 << 63), struct.pack("<Q", 100) + b"{}", b"\0" * 64]
)
def test_what_is_no_safetensors_file_is_refused(start: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(start)

    with pytest.raises(ConvertRefused, match=r"model\.safetensors is refused"):
        read_tensors(path)


def test_the_scripts_architectures_are_read_without_running_them(scripts: Path, tmp_path: Path) -> None:
    assert {"LlamaForCausalLM", "Qwen3ForCausalLM", "BertModel"} <= known_architectures(scripts)
    (tmp_path / "conversion").mkdir()
    (tmp_path / "conversion" / "__init__.py").write_text("raise SystemExit('ran')")

    with pytest.raises(ConvertFailed, match="does not say which architectures"):
        known_architectures(tmp_path)
