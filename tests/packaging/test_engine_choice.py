"""Which backend and which instructions the engine is built with: the decisions, as tables."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from engine_backends import Backend, Machine, choose_backend, cpu_backend
from engine_variants import NO_AMX, Attempt, Failure, Variant, next_attempt, variants

BARE = Machine()
NVIDIA = replace(BARE, nvcc="/usr/local/cuda/bin/nvcc", nvidia_device=True)
AMD = replace(BARE, hipcc="/opt/rocm/bin/hipcc", amd_device=True)
VULKAN = replace(BARE, glslc="/usr/bin/glslc", vulkan_headers=True, vulkan_loader=True, render_node=True)
PLAIN_X86 = frozenset({"pni", "ssse3", "avx", "avx2", "fma", "f16c", "bmi2"})
AMX_X86 = PLAIN_X86 | {"amx_tile", "amx_int8", "amx_bf16"}


@pytest.mark.parametrize(
    ("machine", "name", "reason"),
    [
        (BARE, "CPU", "no GPU was found"),
        (NVIDIA, "CUDA", "nvcc and an NVIDIA GPU"),
        (replace(NVIDIA, nvidia_device=False), "CPU", "no NVIDIA driver lists a GPU"),
        (replace(NVIDIA, nvcc=""), "CPU", r"no CUDA compiler \(nvcc\)"),
        (AMD, "HIP", "hipcc and an AMD GPU"),
        (replace(AMD, amd_device=False), "CPU", "/dev/kfd cannot be used"),
        (replace(AMD, hipcc=""), "CPU", "no hipcc"),
        (VULKAN, "Vulkan", "the Vulkan SDK"),
        (replace(VULKAN, glslc=""), "CPU", "for Vulkan these are missing: glslc$"),
        (replace(VULKAN, vulkan_headers=False, vulkan_loader=False), "CPU", "missing: headers, loader$"),
        (replace(VULKAN, render_node=False), "CPU", "no GPU was found"),
        (replace(VULKAN, nvcc="/x/nvcc", nvidia_device=True), "CUDA", ""),
        (Machine(system="Darwin", arch="arm64"), "Metal", "Apple GPU"),
        (Machine(system="Darwin", arch="x86_64"), "CPU", "Apple silicon"),
    ],
)
def test_a_backend_needs_its_compiler_and_its_device(machine: Machine, name: str, reason: str) -> None:
    chosen = choose_backend(machine)

    assert chosen.name == name
    assert re.search(reason, chosen.reason)
    assert (f"-DGGML_{name.upper()}=ON" in chosen.flags) == (name != "CPU")


@pytest.mark.parametrize(
    ("arch", "flags", "names"),
    [
        ("x86_64", PLAIN_X86, ["native", "avx2"]),
        ("x86_64", AMX_X86, ["native", "native-no-amx", "avx2"]),
        ("AMD64", PLAIN_X86, ["native", "avx2"]),
        ("x86_64", frozenset({"pni"}), ["native", "generic"]),
        ("aarch64", frozenset({"asimd"}), ["native", "generic"]),
    ],
)
def test_the_ladder_goes_from_fast_to_safe(arch: str, flags: frozenset[str], names: list[str]) -> None:
    assert [variant.name for variant in variants(arch, flags)] == names


def test_the_safer_builds_really_leave_instructions_out() -> None:
    native, no_amx, avx2 = variants("x86_64", AMX_X86)

    assert "-DGGML_NATIVE=ON" in native.flags and native.c_flags == ""
    assert no_amx.c_flags == NO_AMX
    assert "-DGGML_NATIVE=OFF" in avx2.flags and "-DGGML_AVX2=ON" in avx2.flags and "-DGGML_AVX512=OFF" in avx2.flags


CPU, GPU = cpu_backend("because"), Backend("CUDA", ("-DGGML_CUDA=ON",), "both halves")
LADDER = variants("x86_64", AMX_X86)
NATIVE, NO_AMX_VARIANT, AVX2 = LADDER


def failed(backend: Backend, variant: Variant, stage: str = "proof", signal: str = "") -> Failure:
    return Failure(Attempt(backend, variant), stage, "why", signal)


@pytest.mark.parametrize(
    ("backend", "failures", "expected"),
    [
        (CPU, [], ("CPU", "native")),
        (CPU, [failed(CPU, NATIVE, signal="SIGILL")], ("CPU", "native-no-amx")),
        (CPU, [failed(CPU, NATIVE, signal="SIGSEGV")], ("CPU", "native-no-amx")),
        (CPU, [failed(CPU, NATIVE)], ("CPU", "native-no-amx")),
        (CPU, [failed(CPU, NATIVE), failed(CPU, NO_AMX_VARIANT)], ("CPU", "avx2")),
        (CPU, [failed(CPU, AVX2)], None),
        (CPU, [failed(CPU, NATIVE, stage="build")], None),
        (GPU, [], ("CUDA", "native")),
        (GPU, [failed(GPU, NATIVE, stage="build")], ("CPU", "native")),
        (GPU, [failed(GPU, NATIVE, signal="SIGABRT")], ("CPU", "native")),
        (GPU, [failed(GPU, NATIVE, signal="SIGILL")], ("CUDA", "native-no-amx")),
        (GPU, [failed(GPU, AVX2, signal="SIGILL")], ("CPU", "native")),
    ],
)
def test_each_failure_leads_to_the_next_safer_build(
    backend: Backend, failures: list[Failure], expected: tuple[str, str] | None
) -> None:
    attempt = next_attempt(backend, LADDER, failures)

    assert (attempt and (attempt.backend.name, attempt.variant.name)) == expected


def test_a_processor_build_after_a_gpu_build_says_why() -> None:
    attempt = next_attempt(GPU, LADDER, [failed(GPU, NATIVE, stage="build")])

    assert attempt is not None
    assert attempt.backend.reason == "the CUDA build failed: why"


def test_no_remote_backend_and_no_downloader_is_ever_compiled_in() -> None:
    for variant in LADDER:
        flags = Attempt(CPU, variant).cmake_flags()
        assert {"-DGGML_RPC=OFF", "-DLLAMA_OPENSSL=OFF", "-DLLAMA_BUILD_UI=OFF", "-DLLAMA_USE_PREBUILT_UI=OFF"} <= set(
            flags
        )
