"""Compiling a small project with the names of llama.cpp's tools: progress, errors, interruption."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from engine_backends import cpu_backend
from engine_compile import CompileFailed, Compiler, job_count, parse_progress, progress_text
from engine_variants import TARGETS, Attempt, variants
from toolchain import find_tools

PLAIN_X86 = frozenset({"pni", "ssse3", "avx", "avx2", "fma", "f16c", "bmi2"})
LADDER = variants("x86_64", PLAIN_X86)
CPU = cpu_backend("no GPU was found")


@pytest.fixture
def small_project(tmp_path: Path) -> Path:
    """The same programs by name as llama.cpp's tools, over one shared library; compiles in a second."""
    source = tmp_path / "work" / "source" / "vendor" / "llama.cpp"
    source.mkdir(parents=True)
    lines = ["cmake_minimum_required(VERSION 3.14)", "project(small C CXX)"]
    lines += ["set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)"]
    lines += ["set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)", "add_library(ggml SHARED lib.c)"]
    for name in (*TARGETS, "llama-tts"):
        lines += [f"add_executable({name} main.c)", f"target_link_libraries({name} ggml)"]
    (source / "CMakeLists.txt").write_text("\n".join(lines))
    (source / "lib.c").write_text("int answer(void) { return 42; }\n")
    (source / "main.c").write_text("int answer(void);\nint main(void) { return answer() - 42; }\n")
    return tmp_path / "work"


def compiler(work: Path, lock_fd: int | None = None) -> Compiler:
    return Compiler(find_tools(os.environ), work, os.environ, lock_fd)


def test_a_build_is_sorted_into_programs_and_libraries_that_find_each_other(small_project: Path) -> None:
    said: list[str] = []

    out = compiler(small_project).build(Attempt(CPU, LADDER[0]), said.append)

    assert {path.name for path in (out / "bin").iterdir()} == set(TARGETS)
    assert [path.name for path in (out / "lib").iterdir()] == ["libggml.so"]
    moved = out.rename(small_project.parent / "elsewhere")
    assert subprocess.run([moved / "bin" / "llama-server"], check=False).returncode == 0
    assert any(" files" in line or " %" in line for line in said)


def test_a_source_that_does_not_compile_names_its_first_error(small_project: Path) -> None:
    (small_project / "source" / "vendor" / "llama.cpp" / "lib.c").write_text("int answer(void) { return missing; }\n")

    with pytest.raises(CompileFailed, match=r"error: .missing. undeclared") as told:
        compiler(small_project).build(Attempt(CPU, LADDER[0]), lambda line: None)
    assert told.value.log.read_text()


def test_an_interrupted_build_stops_its_compilers_and_is_continued(small_project: Path) -> None:
    """Given a build broken off after its first files, when it runs again, then it makes only the rest."""
    first: list[str] = []

    def interrupt(line: str) -> None:
        first.append(line)
        if line.startswith("5 of"):
            raise KeyboardInterrupt

    attempt = Attempt(CPU, LADDER[0])
    if find_tools(os.environ).generator != "Ninja":
        pytest.skip("make does not count files")
    with pytest.raises(KeyboardInterrupt):
        compiler(small_project).build(attempt, interrupt)
    assert not (small_project / "out").exists()

    second: list[str] = []
    compiler(small_project).build(attempt, second.append)
    assert int(second[-1].split()[0]) < len(TARGETS) * 2
    assert (small_project / "out" / "bin" / "llama-server").exists()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("[14/268] Building C object ggml/src/CMakeFiles/ggml-cpu.dir/ggml-cpu/ggml-cpu.c.o", (14, 268)),
        ("[ 45%] Building CXX object src/CMakeFiles/llama.dir/llama.cpp.o", (45, 100)),
        ("[100%] Linking CXX executable bin/llama-server", (100, 100)),
        ("-- Found OpenMP_C: -fopenmp", None),
        ("note: [1/2] is not at the start", None),
    ],
)
def test_progress_is_read_from_ninja_and_make(line: str, expected: tuple[int, int] | None) -> None:
    assert parse_progress(line) == expected


@pytest.mark.parametrize(
    ("done", "elapsed_s", "text"),
    [
        (123, 100.0, "123 of 268 files, about 2 min left"),
        (260, 200.0, "260 of 268 files, about 5 s left"),
        (1, 0.5, "1 of 268 files"),
        (268, 300.0, "268 of 268 files"),
    ],
)
def test_progress_says_how_far_and_how_long(done: int, elapsed_s: float, text: str) -> None:
    assert progress_text(done, 268, elapsed_s, in_files=True) == text


def test_small_machines_compile_one_file_at_a_time() -> None:
    assert job_count(8, 2 * 2**30) == 1
    assert job_count(8, 64 * 2**30) == 8
    assert job_count(1, 2**20) == 1
