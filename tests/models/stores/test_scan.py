"""Other programs' stores: found as they lie, damaged ones too, and never touched."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from models.errors import Cancelled, ModelExists
from models.library import Library
from models.progress import Cancel
from models.stores.places import OLLAMA_SERVICE, StorePlaces, find_places
from models.stores.scan import scan
from models.stores.types import ScanResult
from models.tiny_model import write_tiny_model
from tests.models import gguf_bytes as make
from tests.models.stores import layouts
from tests.models.stores.conftest import Tools, Use, by_label
from tests.models.stores.layouts import HubCache, Ollama, lm_studio, snapshot

Scan = Callable[[StorePlaces], ScanResult]


def test_ollamas_tags_are_found_by_the_names_ollama_shows(
    scanned: Scan, tmp_path: Path, tiny_chat_gguf: Path, tiny_embedding_gguf: Path
) -> None:
    store = Ollama(tmp_path / "ollama")
    chat = store.pull("llama3.2:3b", {"model": tiny_chat_gguf, "template": b"{{ .Prompt }}", "params": b"{}"})
    store.pull("llama3.2", {"model": tiny_chat_gguf})
    embedding = store.pull("nomic-embed-text", {"model": tiny_embedding_gguf, "license": b"free"})
    own = store.pull(
        "tuned:v1", {"model": write_tiny_model(tmp_path / "own.gguf", name="own")}, "registry.ollama.ai/someone"
    )
    hub = write_tiny_model(tmp_path / "hub.gguf", name="hub")
    store.pull("Tiny-GGUF:Q8_0", {"model": hub}, "hf.co/org")

    result = scanned(StorePlaces(ollama=(store.folder,)))

    found = by_label(result)
    assert sorted(found) == ["hf.co/org/Tiny-GGUF:Q8_0", "llama3.2:3b", "nomic-embed-text:latest", "someone/tuned:v1"]
    assert found["llama3.2:3b"].aliases == ("llama3.2:latest",)
    assert (found["llama3.2:3b"].path, found["llama3.2:3b"].sha256) == (chat, chat.name.removeprefix("sha256-"))
    assert (found["nomic-embed-text:latest"].path, found["nomic-embed-text:latest"].kind) == (embedding, "embedding")
    assert found["someone/tuned:v1"].path == own
    assert found["hf.co/org/Tiny-GGUF:Q8_0"].repo == "org/Tiny-GGUF"
    assert [model.problem for model in result.models] == [""] * 4
    (seen,) = result.stores
    assert (seen.store, seen.folder, seen.models, seen.problem) == ("ollama", store.folder, 4, "")
    assert seen.bytes >= sum(model.bytes for model in result.models)
    assert result.scanned_at == 99.0


def test_ollamas_picture_parts_adapters_and_models_that_are_no_gguf(
    scanned: Scan, tmp_path: Path, tiny_chat_gguf: Path
) -> None:
    store = Ollama(tmp_path / "ollama")
    store.pull("llava:7b", {"model": tiny_chat_gguf, "projector": layouts.PROJECTOR})
    other = write_tiny_model(tmp_path / "other.gguf", name="other")
    store.pull("adapted", {"model": other, "adapter": b"lora"})
    store.pull("cloudy", {"params": b"{}"})
    store.pull("mlx", {"tensor": b"weights"})
    packed = make.gguf([make.ARCHITECTURE], [make.tensor("v.blk.0.w", [32])], data_bytes=128)
    store.pull("gemma3:4b", {"model": packed})
    ours = make.gguf([make.string("general.architecture", "gptoss")], [make.tensor("t", [32])], data_bytes=128)
    store.pull("gpt-oss:20b", {"model": ours})

    found = by_label(scanned(StorePlaces(ollama=(store.folder,))))

    assert sorted(found) == ["adapted:latest", "gemma3:4b", "gpt-oss:20b", "llava:7b"]
    assert found["llava:7b"].projector == store.path(layouts.sha256(layouts.PROJECTOR))
    assert "adapter" in found["adapted:latest"].problem
    assert "picture part" in found["gemma3:4b"].problem
    assert "gptoss" in found["gpt-oss:20b"].problem


def test_a_damaged_ollama_store_is_reported_and_stops_nothing(
    scanned: Scan, tmp_path: Path, tiny_chat_gguf: Path
) -> None:
    store = Ollama(tmp_path / "ollama")
    store.pull("good", {"model": tiny_chat_gguf})
    store.pull("gone", {"model": b"GGUF1"}).unlink()
    store.pull("short", {"model": b"GGUF" * 9}).write_bytes(b"GGUF")
    store.pull("noise", {"model": layouts.GARBAGE})
    half = store.half()
    library = store.folder / "manifests/registry.ollama.ai/library"
    hostile = {
        "list": "[]",
        "text": "\x00\xff",
        "huge": " " * (1 << 20) + "{}",
        "deep": "[" * 100_000,
        "numbers": json.dumps({"layers": [1, 2]}),
        "traversal": _manifest("sha256:../../../../etc/passwd"),
        "short-hash": _manifest("sha256:" + "a" * 63),
        "newline": _manifest("sha256:" + "a" * 64 + "\n"),
        "link": _manifest("sha256-" + "b" * 64),
    }
    for name, text in hostile.items():
        (library / name).mkdir()
        (library / name / "latest").write_text(text, errors="replace")
    (library / "fifo").mkdir()
    os.mkfifo(library / "fifo" / "latest")
    (library / "loop").symlink_to(library)
    (library / "too" / "deep" / "here").mkdir(parents=True)
    before = snapshot(store.folder)

    result = scanned(StorePlaces(ollama=(store.folder,)))

    found = by_label(result)
    assert sorted(found) == [
        half.name.removeprefix("sha256-")[:12], "gone:latest", "good:latest", "link:latest", "noise:latest",
        "short:latest",
    ]  # fmt: skip
    assert found["good:latest"].problem == ""
    assert "missing" in found["gone:latest"].problem and "missing" in found["link:latest"].problem
    assert "4 bytes" in found["short:latest"].problem and "36" in found["short:latest"].problem
    assert "not a GGUF file" in found["noise:latest"].problem
    assert found[half.name.removeprefix("sha256-")[:12]].problem == "Its download is not finished."
    assert result.stores[0].models == 1
    assert "no manifest that can be read" in result.stores[0].problem and "And 3 more." in result.stores[0].problem
    assert snapshot(store.folder) == before


def _manifest(digest: str) -> str:
    return json.dumps({"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": digest, "size": 5}]})


def test_lm_studios_folders_with_split_models_and_picture_parts(
    scanned: Scan, tmp_path: Path, tiny_chat_gguf: Path, split_model: list[Path]
) -> None:
    models = tmp_path / "lm"
    path = lm_studio(models, "lmstudio-community/Tiny-VL-GGUF/Tiny-VL-F16.gguf", tiny_chat_gguf)
    picture = path.with_name("mmproj-Tiny-VL-F16.gguf")
    picture.write_bytes(layouts.PROJECTOR)
    for part in split_model:
        lm_studio(models, f"bartowski/Tiny-GGUF/{part.name}", part)
    lm_studio(models, "a/b/downloading_Big-Q4_K_M.gguf.part", tiny_chat_gguf)
    (models / "a/b/notes.txt").write_text("no model")
    (models / "circle").symlink_to(models)
    outside = lm_studio(tmp_path / "elsewhere", "pub/repo/Linked.gguf", write_tiny_model(tmp_path / "l.gguf", name="l"))
    (models / "pub").symlink_to(tmp_path / "elsewhere" / "pub")
    (models / "a/b/dangling.gguf").symlink_to(tmp_path / "nowhere.gguf")

    result = scanned(StorePlaces(lm_studio=(models,)))

    found = {model.path.name: model for model in result.models}
    first = models / "bartowski/Tiny-GGUF" / split_model[0].name
    assert sorted(found) == sorted(
        [path.name, first.name, outside.name, "downloading_Big-Q4_K_M.gguf.part", "dangling.gguf"]
    )
    assert (found[path.name].projector, found[path.name].repo) == (picture, "lmstudio-community/Tiny-VL-GGUF")
    assert (found[first.name].path, len(found[first.name].files)) == (first, len(split_model))
    assert found[first.name].bytes == sum(part.stat().st_size for part in split_model)
    assert found[outside.name].repo == "pub/repo"
    assert "not finished" in found["downloading_Big-Q4_K_M.gguf.part"].problem
    assert "not there" in found["dangling.gguf"].problem
    assert result.stores[0].models == 3


def test_the_hub_cache_gives_names_commits_and_hashes(scanned: Scan, tmp_path: Path, tiny_chat_gguf: Path) -> None:
    hub = tmp_path / "hub"
    cache = HubCache(hub, "Qwen/Qwen3-0.6B-GGUF")
    old, new = "a" * 40, "b" * 40
    cache.add("Qwen3-0.6B-Q8_0.gguf", tiny_chat_gguf, new)
    cache.add("Qwen3-0.6B-Q8_0.gguf", tiny_chat_gguf, old, main=False)
    sub = cache.add("BF16/Qwen3-0.6B-BF16.gguf", write_tiny_model(tmp_path / "b.gguf", name="b"), new)
    cache.add("config.json", b"{}", new)
    lost = cache.add("lost.gguf", b"GGUF", new)
    lost.resolve().unlink()
    with (cache.folder / "blobs" / ("d" * 64 + ".incomplete")).open("wb") as file:
        file.truncate(3 << 20)
    (hub / "datasets--org--data" / "snapshots").mkdir(parents=True)
    (hub / ".locks").mkdir()

    result = scanned(StorePlaces(huggingface=(hub,)))

    good = {model.path.name: model for model in result.models if not model.problem}
    assert sorted(good) == ["Qwen3-0.6B-BF16.gguf", "Qwen3-0.6B-Q8_0.gguf"]
    model = good["Qwen3-0.6B-Q8_0.gguf"]
    assert (model.repo, model.commit) == ("Qwen/Qwen3-0.6B-GGUF", new)
    assert model.sha256 == layouts.sha256(tiny_chat_gguf.read_bytes())
    assert good["Qwen3-0.6B-BF16.gguf"].path == sub
    assert sorted(model.problem for model in result.models if model.problem) == [
        "Its download is not finished.",
        "Its link leads to a file that is not there.",
    ]


def test_llama_cpps_cache_in_both_forms(scanned: Scan, tmp_path: Path, tiny_chat_gguf: Path) -> None:
    cache = tmp_path / "llama.cpp"
    file = "Tiny-VL-Q8_0.gguf"
    flat = layouts.llama_cpp(cache, "ggml-org/Tiny-VL-GGUF", file, tiny_chat_gguf, "mmproj-Tiny-VL-Q8_0.gguf")
    (cache / "ggml-org_Other.gguf.downloadInProgress").write_bytes(b"GGUF")
    (cache / "manifest=x=y=latest.json").write_text("not JSON")
    linked = HubCache(cache, "org/New").add("New.gguf", write_tiny_model(tmp_path / "n.gguf", name="n"))

    result = scanned(StorePlaces(llama_cpp=(cache,)))

    found = {model.path: model for model in result.models}
    assert (found[flat].repo, found[flat].store) == ("ggml-org/Tiny-VL-GGUF", "llama.cpp")
    assert found[flat].projector == cache / "ggml-org_Tiny-VL-GGUF_mmproj-Tiny-VL-Q8_0.gguf"
    assert (found[linked].repo, found[linked].store) == ("org/New", "llama.cpp")
    assert [model.problem for model in result.models if model.problem] == ["Its download is not finished."]
    assert "manifest=x=y" in result.stores[0].problem


def test_a_folder_the_user_names_may_be_any_store(scanned: Scan, tmp_path: Path, tiny_chat_gguf: Path) -> None:
    store = Ollama(tmp_path / "disk" / "models")
    store.pull("llama3.2:3b", {"model": tiny_chat_gguf})
    plain = lm_studio(tmp_path / "plain", "deep/er/Model.GGUF", write_tiny_model(tmp_path / "m.gguf", name="m"))
    missing = tmp_path / "missing"

    result = scanned(StorePlaces(folders=(store.folder.parent, plain.parent.parent, plain.parent, missing)))

    assert {(model.store, model.path.name) for model in result.models} == {
        ("ollama", store.path(layouts.sha256(tiny_chat_gguf.read_bytes())).name),
        ("folder", "Model.GGUF"),
    }
    assert [seen.folder for seen in result.stores] == [store.folder.parent, plain.parent.parent, plain.parent]


def test_found_models_are_imported_under_their_names_and_known_again(
    use: Use, tmp_path: Path, tiny_chat_gguf: Path
) -> None:
    store = Ollama(tmp_path / "ollama")
    store.pull("llama3.2:3b", {"model": tiny_chat_gguf, "projector": layouts.PROJECTOR})
    copy = lm_studio(tmp_path / "lm", "org/repo/Copy.gguf", tiny_chat_gguf)
    places = StorePlaces(ollama=(store.folder,), lm_studio=(tmp_path / "lm",))

    async def import_all(tools: Tools) -> tuple[ScanResult, ScanResult, Library]:
        first = await tools.scan(places)
        (ollama,) = [model for model in first.models if model.store == "ollama"]
        await tools.library.import_path(ollama.path, origin=ollama.origin())
        (lm,) = [model for model in first.models if model.store == "lm-studio"]
        with pytest.raises(ModelExists) as caught:
            await tools.library.import_path(lm.path, origin=lm.origin())
        assert caught.value.model_id == "llama3.2-3b"
        return first, await tools.scan(places), tools.library

    first, second, _ = use(import_all)
    (model,) = use(lambda tools: tools.library.list())

    assert (model.id, model.source, model.name) == ("llama3.2-3b", "ollama", "Tiny Chat")
    assert model.sha256 == layouts.sha256(tiny_chat_gguf.read_bytes())
    assert model.projector == store.path(layouts.sha256(layouts.PROJECTOR))
    assert [one.model_id for one in first.models] == ["", ""]
    assert {one.path: one.model_id for one in second.models} == {model.path: "llama3.2-3b", copy: "llama3.2-3b"}


def test_names_that_are_no_text_and_our_own_unfinished_downloads(
    scanned: Scan, tmp_path: Path, tiny_chat_gguf: Path
) -> None:
    studio, ours = tmp_path / "lm", tmp_path / "models"
    lm_studio(studio, "a/b/c.gguf", tiny_chat_gguf)
    os.rename(studio / "a/b/c.gguf", os.fsencode(studio / "a/b") + b"/\xff.gguf")
    commit = "c0ffee" + "0" * 34
    whole = lm_studio(ours, f"org/repo/{commit}/x.gguf", tiny_chat_gguf)
    lm_studio(ours, f"org/repo/{commit}/y.gguf.part", tiny_chat_gguf)

    result = scanned(StorePlaces(lm_studio=(studio,), ours=(ours,)))

    (model,) = result.models
    assert (model.path, model.repo, model.commit, model.origin().source) == (whole, "org/repo", commit, "hub")
    assert "no valid text" in result.stores[1].problem and result.stores[1].problem.isprintable()


def test_a_scan_can_be_cancelled(use: Use, tmp_path: Path, tiny_chat_gguf: Path) -> None:
    lm_studio(tmp_path / "lm", "a/b/c.gguf", tiny_chat_gguf)
    cancel = Cancel()
    places = StorePlaces(lm_studio=(tmp_path / "lm",))
    with pytest.raises(Cancelled):
        use(lambda tools: scan(places, tools.hashes, report=lambda _: cancel.set(), cancel=cancel))


def test_places_are_those_of_the_programs_own_settings(tmp_path: Path) -> None:
    home = tmp_path / "home"
    plain = find_places({}, home)
    assert plain.ollama == (home / ".ollama/models", OLLAMA_SERVICE)
    assert plain.lm_studio == (home / ".lmstudio/models", home / ".cache/lm-studio/models")
    assert plain.huggingface == (home / ".cache/huggingface/hub",)
    assert plain.llama_cpp == (home / ".cache/llama.cpp",)

    (home / ".lmstudio").mkdir(parents=True)
    (home / ".lmstudio/settings.json").write_text(json.dumps({"downloadsFolder": "/mnt/models"}))
    (home / ".lmstudio-home-pointer").write_text("/mnt/lm\n")
    environ = {
        "OLLAMA_MODELS": "/mnt/ollama",
        "HF_HOME": "/mnt/hf",
        "HF_HUB_CACHE": "/mnt/hub",
        "LLAMA_CACHE": "/mnt/llama",
    }
    moved = find_places(environ, home, folders=[Path("/mine")], ours=[Path("/ours")])
    assert moved.ollama[0] == Path("/mnt/ollama")
    assert moved.lm_studio[:2] == (Path("/mnt/models"), Path("/mnt/lm/models"))
    assert moved.huggingface[:2] == (Path("/mnt/hub"), Path("/mnt/hf/hub"))
    assert moved.llama_cpp[0] == Path("/mnt/llama")
    assert moved.all()[0] == ("jackdaw", Path("/ours")) and moved.all()[-1] == ("folder", Path("/mine"))


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"downloadsFolder": 3}', '{"downloadsFolder": "relative"}'])
def test_settings_of_lm_studio_that_make_no_sense_are_passed_over(tmp_path: Path, content: str) -> None:
    (tmp_path / ".lmstudio").mkdir()
    (tmp_path / ".lmstudio/settings.json").write_text(content)
    (tmp_path / ".lmstudio-home-pointer").write_bytes(b"\xff\xfe")
    assert find_places({}, tmp_path).lm_studio == (tmp_path / ".lmstudio/models", tmp_path / ".cache/lm-studio/models")
