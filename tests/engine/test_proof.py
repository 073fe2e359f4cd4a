"""The proof: a real build passes it, a crash is told by its signal, wrong numbers are not let through."""

from __future__ import annotations

import asyncio
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.proof import TOKENS, ProofResult, WrongNumbers, check_answer, check_embedding, cosine, prove_and_save
from models.cpu import ggml_features, read_cpu_flags
from models.errors import BinaryMissing
from models.llamacpp import EngineBuild, find_build
from models.progress import Progress
from models.tiny_model import write_tiny_model


def own(folder: Path, cache: Path) -> EngineBuild:
    return find_build(cache, {"JACKDAW_ENGINE": str(folder)})


def run_proof(build: EngineBuild, cache: Path, *, again: bool = False) -> tuple[ProofResult, list[Progress]]:
    seen: list[Progress] = []
    return asyncio.run(prove_and_save(build, cache, seen.append, again=again)), seen


@pytest.fixture
def broken(tmp_path: Path, engine_bin: Path) -> Path:
    """A copy of the real build's programs, to be broken by a test; the libraries stay where they are."""
    folder = tmp_path / "engine" / "bin"
    folder.mkdir(parents=True)
    for name in ("llama-server", "llama-quantize"):
        shutil.copy2(engine_bin / name, folder / name)
    (folder.parent / "lib").symlink_to(engine_bin.parent / "lib")
    return folder


def replace_program(path: Path, script: str) -> None:
    path.unlink()
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_the_real_build_loads_decodes_and_embeds(engine_bin: Path, tmp_path: Path) -> None:
    result, seen = run_proof(own(engine_bin, tmp_path), tmp_path)

    assert result.ok, result
    assert [step.name for step in result.steps] == [
        "embed in F16",
        "quantize to Q8_0",
        "decode in Q8_0",
        "embed in Q8_0",
        "Q8_0 computes like F16",
        "quantize to Q4_K_M",
        "decode in Q4_K_M",
        "embed in Q4_K_M",
        "Q4_K_M computes like F16",
    ]
    assert result.reason == result.signal_name == ""
    assert [progress.done for progress in seen] == sorted(progress.done for progress in seen)
    present = set(ggml_features(read_cpu_flags()))
    assert set(result.features_used) | set(result.features_left_out) == present
    assert not set(result.features_used) & set(result.features_left_out)


@pytest.mark.parametrize("signal_name", ["ILL", "SEGV", "ABRT"])
def test_a_server_that_dies_is_told_by_its_signal(broken: Path, tmp_path: Path, signal_name: str) -> None:
    replace_program(broken / "llama-server", f"kill -{signal_name} $$")

    result, _ = run_proof(own(broken, tmp_path), tmp_path)

    assert not result.ok
    assert result.signal_name == f"SIG{signal_name}"
    assert result.reason == f"llama-server was killed by SIG{signal_name} while loading the model."
    assert result.steps[-1].name == "embed in F16" and not result.steps[-1].ok


def test_a_server_that_dies_over_a_quantized_model_only_is_caught(
    broken: Path, tmp_path: Path, engine_bin: Path
) -> None:
    """What a wrongly compiled AMX build does: F16 works, every quantized model crashes (ggml-org/llama.cpp#28756)."""
    replace_program(
        broken / "llama-server", f'case "$*" in *Q8_0*) kill -ILL $$;; esac; exec {engine_bin}/llama-server "$@"'
    )

    result, _ = run_proof(own(broken, tmp_path), tmp_path)

    assert result.signal_name == "SIGILL"
    assert [step.name for step in result.steps if step.ok] == ["embed in F16", "quantize to Q8_0"]


def test_a_quantizer_that_dies_is_told_too(broken: Path, tmp_path: Path) -> None:
    replace_program(broken / "llama-quantize", "kill -ILL $$")

    result, _ = run_proof(own(broken, tmp_path), tmp_path)

    assert (result.signal_name, result.reason) == ("SIGILL", "llama-quantize was killed by SIGILL.")


def test_a_server_that_refuses_to_start_is_quoted(broken: Path, tmp_path: Path) -> None:
    replace_program(broken / "llama-server", "echo 'error: unknown argument' >&2; exit 3")

    result, _ = run_proof(own(broken, tmp_path), tmp_path)

    assert result.reason == (
        "llama-server exited with code 3 while loading the model. It said: error: unknown argument"
    )
    assert result.signal_name == ""


def test_weights_that_come_out_wrong_fail_though_nothing_crashes(
    broken: Path, tmp_path: Path, engine_bin: Path
) -> None:
    """Given a Q8_0 file of another model, when its embedding is compared with F16's, then the proof fails."""
    other = tmp_path / "other.gguf"
    write_tiny_model(other, seed=7)
    replace_program(broken / "llama-quantize", f'exec {engine_bin}/llama-quantize {other} "$2" "$3" "$4"')

    result, _ = run_proof(own(broken, tmp_path), tmp_path)

    assert not result.ok
    assert result.reason.startswith("Q8_0 computes something else than F16: cosine")


def test_a_result_is_kept_until_a_file_of_the_build_changes(broken: Path, tmp_path: Path) -> None:
    first, _ = run_proof(own(broken, tmp_path), tmp_path)
    kept, seen = run_proof(own(broken, tmp_path), tmp_path)
    assert kept == first and seen == []
    assert own(broken, tmp_path).proven

    with (broken / "llama-server").open("ab") as file:
        file.write(b"\0")  # another file to a hash, the same program to the loader

    assert not own(broken, tmp_path).proven
    again, seen = run_proof(own(broken, tmp_path), tmp_path)
    assert again.ok and seen and again.proved_at > first.proved_at


def test_a_failed_proof_is_kept_as_well_and_repeated_on_demand(broken: Path, tmp_path: Path) -> None:
    replace_program(broken / "llama-server", "kill -ILL $$")
    first, _ = run_proof(own(broken, tmp_path), tmp_path)

    assert run_proof(own(broken, tmp_path), tmp_path)[0] == first
    assert run_proof(own(broken, tmp_path), tmp_path, again=True)[0].proved_at > first.proved_at
    assert not own(broken, tmp_path).proven


def test_cancelling_the_proof_stops_its_server(broken: Path, tmp_path: Path) -> None:
    """The leftover check of every test fails this one when a child stays."""
    started = tmp_path / "started"
    replace_program(broken / "llama-server", f"touch {started}; exec sleep 600")

    async def cancel_when_started() -> None:
        proof = asyncio.create_task(prove_and_save(own(broken, tmp_path), tmp_path, lambda progress: None))
        async with asyncio.timeout(30):
            while not started.exists():
                await asyncio.sleep(0.01)
        proof.cancel()
        with pytest.raises(asyncio.CancelledError):
            await proof

    asyncio.run(cancel_when_started())


def test_the_command_line_prints_the_result_and_its_exit_code_tells(broken: Path, tmp_path: Path) -> None:
    def prove() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "engine.proof", "--engine", str(broken), "--cache", str(tmp_path)]
        root = Path(__file__).resolve().parents[2]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=root, timeout=120)

    good = prove()
    assert (good.returncode, json.loads(good.stdout)["ok"]) == (0, True)
    replace_program(broken / "llama-server", "kill -BUS $$")
    bad = prove()
    assert (bad.returncode, json.loads(bad.stdout)["signal_name"]) == (1, "SIGBUS")
    (broken / "llama-server").unlink()
    assert prove().returncode == 4


def test_an_engine_of_somebody_else_must_have_a_server(tmp_path: Path) -> None:
    with pytest.raises(BinaryMissing, match="there is no llama-server there") as told:
        own(tmp_path, tmp_path)
    assert told.value.hint


def test_an_engine_is_found_by_its_folder_its_bin_folder_or_its_server(engine_bin: Path, tmp_path: Path) -> None:
    found = {own(path, tmp_path).bin_dir for path in (engine_bin, engine_bin / "llama-server")}
    if engine_bin.name == "bin":
        found.add(own(engine_bin.parent, tmp_path).bin_dir)

    assert found == {engine_bin}
    assert os.access(engine_bin / "llama-server", os.X_OK)


GOOD_ANSWER = {"tokens": list(range(TOKENS)), "completion_probabilities": [{"logprob": -0.5}] * TOKENS}


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (GOOD_ANSWER | {"tokens": [1, 2]}, f"2 of {TOKENS} tokens"),
        (GOOD_ANSWER | {"tokens": None}, f"0 of {TOKENS} tokens"),
        ("text", f"0 of {TOKENS} tokens"),
        (GOOD_ANSWER | {"completion_probabilities": []}, "not finite"),
        (GOOD_ANSWER | {"completion_probabilities": [{"logprob": None}]}, "not finite"),  # NaN in llama-server's JSON
        (GOOD_ANSWER | {"completion_probabilities": [{"logprob": math.nan}]}, "not finite"),
    ],
)
def test_an_answer_that_cannot_be_right_is_refused(answer: Any, complaint: str) -> None:
    assert check_answer(GOOD_ANSWER) == list(range(TOKENS))
    with pytest.raises(WrongNumbers, match=complaint):
        check_answer(answer)


@pytest.mark.parametrize(
    ("vector", "complaint"),
    [
        ([1.0, 2.0], "has 2 numbers, the model has 3"),
        ([1.0, None, 2.0], "not a finite number"),
        ([1.0, math.inf, 2.0], "not a finite number"),
        ([0.0, 0.0, 0.0], "all zeros"),
    ],
)
def test_an_embedding_that_cannot_be_right_is_refused(vector: list[Any], complaint: str) -> None:
    assert check_embedding({"data": [{"embedding": [1.0, 0.0, 2.0]}]}, 3) == [1.0, 0.0, 2.0]
    with pytest.raises(WrongNumbers, match=complaint):
        check_embedding({"data": [{"embedding": vector}]}, 3)
    with pytest.raises(WrongNumbers, match="missing"):
        check_embedding({"data": []}, 3)


def test_cosine_tells_directions_apart() -> None:
    assert cosine([1.0, 2.0], [2.0, 4.0]) == pytest.approx(1.0)
    assert cosine([1.0, 0.0], [0.0, 1.0]) == pytest.approx(0.0)
