"""The engine's source: fetched, checked, unpacked."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import native
import pytest
from console import SetupError
from engine_source import copy_converters, fetch_archive, unpack, wanted_name


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "r/../../evil", "r/llama_cpp/..\\evil", "r/llama_cpp/a\0b"])
def test_hostile_names_in_the_archive_are_refused(name: str) -> None:
    with pytest.raises(SetupError, match="points outside"):
        wanted_name(name)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("r/vendor/llama.cpp/ggml/src/ggml.c", "vendor/llama.cpp/ggml/src/ggml.c"),
        ("r/llama_cpp/__init__.py", "llama_cpp/__init__.py"),
        ("r/vendor/llama.cpp/.git/config", None),
        ("r/.git/hooks/post-checkout", None),
        ("r/examples/x.py", None),
        ("r", None),
    ],
)
def test_only_what_the_build_needs_is_unpacked(name: str, wanted: str | None) -> None:
    assert wanted_name(name) == (Path(wanted) if wanted else None)


def test_links_in_the_archive_are_left_out_and_a_torn_tree_is_made_anew(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    (tmp_path / "f").write_text("text")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "f", "r/llama_cpp/f")
        link = tarfile.TarInfo("r/llama_cpp/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    (tmp_path / "out" / "llama_cpp").mkdir(parents=True)
    (tmp_path / "out" / "llama_cpp" / "half").write_text("of an interrupted run")

    unpack(archive, tmp_path / "out")

    assert [path.name for path in (tmp_path / "out" / "llama_cpp").iterdir()] == ["f"]


def test_a_changed_archive_is_never_used(tmp_path: Path, own_network: list[str]) -> None:
    """A file of the right name with the wrong bytes is downloaded anew; here there is no network to do it."""
    (tmp_path / "llama_cpp_python-0.3.36.tar.gz").write_bytes(b"not it")
    root = Path(native.__file__).parents[1]
    script = f"""
import sys; sys.path[:0] = [{str(root / "packaging")!r}, {str(root)!r}]
from pathlib import Path
from engine_source import fetch_archive
fetch_archive(Path({str(tmp_path)!r}), sys.executable, print)
"""
    environ = {**os.environ, "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"}
    environ = {name: value for name, value in environ.items() if name not in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL")}
    answer = subprocess.run(
        [*own_network, sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env=environ,
        timeout=90,
    )

    assert "No network: the engine's source" in answer.stderr
    assert "attempt 3 of 3" in answer.stdout


def test_an_archive_with_the_pinned_hash_is_not_downloaded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import engine_source

    archive = tmp_path / engine_source.ARCHIVE_NAME
    archive.write_bytes(b"pinned")
    monkeypatch.setattr(engine_source, "ARCHIVE_SHA256", engine_source.sha256_of(archive))

    assert fetch_archive(tmp_path, "/nonexistent/python", print) == archive


def test_the_converters_come_with_all_they_import(tmp_path: Path) -> None:
    origin = tmp_path / "source" / "vendor" / "llama.cpp"
    for name in (
        "conversion/base.py",
        "conversion/__pycache__/x.pyc",
        "gguf-py/gguf/__init__.py",
        "gguf-py/tests/t.py",
    ):
        (origin / name).parent.mkdir(parents=True, exist_ok=True)
        (origin / name).touch()
    for name in ("convert_hf_to_gguf.py", "convert_lora_to_gguf.py", "LICENSE"):
        (origin / name).touch()

    copy_converters(tmp_path / "source", tmp_path / "convert")

    found = {
        str(path.relative_to(tmp_path / "convert")) for path in (tmp_path / "convert").rglob("*") if path.is_file()
    }
    assert found == {
        "LICENSE",
        "convert_hf_to_gguf.py",
        "convert_lora_to_gguf.py",
        "conversion/base.py",
        "gguf-py/gguf/__init__.py",
    }
