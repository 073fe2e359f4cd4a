"""The sentence for each way a child can end. The log lines are llama.cpp's own."""

from __future__ import annotations

import pytest

from engine.endings import Circumstances, explain, size_text
from engine.errors import EngineStopped, LoadFailed, OutOfMemory
from models.child import Ending

LOADING = Circumstances("m", ready=False, needed_bytes=6 * 1024**3, free_bytes=2 * 1024**3)
READY = Circumstances("m", ready=True, needed_bytes=6 * 1024**3, free_bytes=2 * 1024**3)

MEMORY_LINES = [
    "0.00.412.001 E ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size 17179869216",
    "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 4403.00 MiB on device 0: cudaMalloc failed: out of memory",
    "ggml_vulkan: Device memory allocation of size 1073741824 failed. vk::allocateMemory: ErrorOutOfDeviceMemory",
    "terminate called after throwing an instance of 'std::bad_alloc'",
    "alloc_tensor_range: failed to allocate CPU buffer of size 4403000000",
]


@pytest.mark.parametrize("line", MEMORY_LINES)
def test_out_of_memory_is_told_by_its_log(line: str) -> None:
    error = explain(Ending("llama-server", 1, None, asked=False), ["fine", line, "exiting"], LOADING)
    assert isinstance(error, OutOfMemory)
    assert error.needed_bytes >= 6 * 1024**3
    assert error.free_bytes == 2 * 1024**3
    assert "2.1 GB were free" in error.message
    assert "smaller context" in error.hint


def test_an_amount_in_the_log_beats_our_estimate() -> None:
    error = explain(Ending("llama-server", 1, None, asked=False), [MEMORY_LINES[0]], LOADING)
    assert isinstance(error, OutOfMemory)
    assert error.needed_bytes == 17179869216


def test_a_sigkill_is_out_of_memory_only_when_the_kernel_says_so() -> None:
    killed = Ending("llama-server", None, "SIGKILL", asked=False)
    by_kernel = Circumstances("m", ready=True, needed_bytes=1, free_bytes=0, oom_killed=True)
    assert isinstance(explain(killed, [], by_kernel), OutOfMemory)
    by_hand = explain(killed, [], READY)
    assert isinstance(by_hand, EngineStopped)
    assert by_hand.signal_name == "SIGKILL"
    assert by_hand.message == "m: llama-server was killed by SIGKILL while the model was in use."


def test_the_first_reason_in_the_log_is_the_cause() -> None:
    lines = [
        "0.00.011.000 I srv    load_model: loading model '/m.gguf'",
        "0.00.013 E llama_model_load: error loading model: check_tensor_dims: tensor 'blk.1.ffn_up.weight' not found",
        "0.00.013.100 E srv    load_model: failed to load model, '/m.gguf'",
    ]
    error = explain(Ending("llama-server", 1, None, asked=False), lines, LOADING)
    assert type(error) is LoadFailed
    assert error.message == "m did not load: tensor 'blk.1.ffn_up.weight' not found."
    assert error.log_tail == tuple(lines)


@pytest.mark.parametrize("name", ["SIGILL", "SIGSEGV", "SIGABRT"])
def test_a_crash_while_loading_points_at_engine_and_file(name: str) -> None:
    error = explain(Ending("llama-server", None, name, asked=False), ["error: something earlier"], LOADING)
    assert isinstance(error, LoadFailed)
    assert error.message == f"m did not load: llama-server was killed by {name}."
    assert "doctor" in error.hint


def test_our_own_reason_comes_first() -> None:
    known = Circumstances("m", ready=True, needed_bytes=1, free_bytes=1, reason="it hung, so it was stopped.")
    error = explain(Ending("llama-server", None, "SIGKILL", asked=True), [], known)
    assert error.message == "m: it hung, so it was stopped."


@pytest.mark.parametrize(
    ("amount", "text"), [(2_500_000_000, "2.5 GB"), (999_600_000, "1.0 GB"), (300_000_000, "300 MB")]
)
def test_bytes_for_people(amount: int, text: str) -> None:
    assert size_text(amount) == text
