"""Whether a llama.cpp build computes on this machine: a tiny model must load, decode and embed in Q4_K and Q8_0.

A build tuned to the processor can crash on its first product of quantized matrices (SIGILL, ggml-org/llama.cpp#28756)
or, worse, give wrong numbers. So the model is made here, quantized with the build's own llama-quantize, and the
embeddings of the quantized files are compared with those of the F16 file. `python -m engine.proof --engine BIN --cache
DIR` prints the result as JSON; packaging/native.py goes by it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from engine.errors import EngineError
from engine.proof_server import Died, ProofServer
from models.child import ChildSpec, clean_environment, spawn
from models.cpu import GGML_FEATURES, ggml_features, read_cpu_flags
from models.errors import ModelsError
from models.llamacpp import EngineBuild, binary, find_build, load_proof, save_proof
from models.progress import Progress, Report
from models.tiny_model import TINY, write_tiny_model

# Longer than 64 tokens, so that prompts go through the kernels for whole batches and answers through those for one row.
PROMPT = "The quick brown fox jumps over the lazy dog. " * 3
TOKENS = 16
# Cosine of the quantized model's embedding with the F16 one's. Q8_0 rounds by half a percent; Q4_K by a few.
CLOSE_ENOUGH: Mapping[str, float] = {"Q8_0": 0.99, "Q4_K_M": 0.90}
_STEPS = 9
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ProofStep:
    """One thing the build had to do; `detail` holds the numbers, or what went wrong."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class ProofResult:
    """The outcome. `reason` is a sentence and `signal_name` e.g. "SIGILL" when it failed; both "" when it passed."""

    ok: bool
    reason: str
    signal_name: str
    steps: tuple[ProofStep, ...]
    backend: str
    features_used: tuple[str, ...]
    features_left_out: tuple[str, ...]
    seconds: float
    proved_at: float  # seconds since 1970


class WrongNumbers(Exception):
    """The build ran, but what it computed cannot be right."""


async def prove(build: EngineBuild, work_dir: Path, report: Report) -> ProofResult:
    """Run the proof of one build; `work_dir` is an empty folder with a short path (a socket lies there).

    A crash or a wrong number is a result, not an exception. Raises OSError when `work_dir` cannot be written and
    BinaryMissing when the build lacks a program.
    """
    run = _Run(build, work_dir, report)
    return await run.whole()


async def prove_and_save(build: EngineBuild, engines: Path, report: Report, *, again: bool = False) -> ProofResult:
    """The saved result for these files, this processor and this driver, or a new proof, saved below `engines`."""
    if not again and (saved := from_json(load_proof(engines, build.bin_dir))):
        return saved
    # The system's temp folder, because the socket's path must stay under 108 bytes.
    with tempfile.TemporaryDirectory(prefix="jackdaw-proof-", ignore_cleanup_errors=True) as folder:
        result = await prove(build, Path(folder), report)
    save_proof(engines, build.bin_dir, asdict(result))
    return result


def from_json(saved: Mapping[str, Any]) -> ProofResult | None:
    """A saved result, None when there is none or another version wrote it."""
    try:
        steps = tuple(ProofStep(str(step["name"]), bool(step["ok"]), str(step["detail"])) for step in saved["steps"])
        return ProofResult(
            ok=saved["ok"] is True,
            reason=str(saved["reason"]),
            signal_name=str(saved["signal_name"]),
            steps=steps,
            backend=str(saved["backend"]),
            features_used=tuple(saved["features_used"]),
            features_left_out=tuple(saved["features_left_out"]),
            seconds=float(saved["seconds"]),
            proved_at=float(saved["proved_at"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


class _Run:
    """One proof in progress: the steps done so far and what the servers said of themselves."""

    def __init__(self, build: EngineBuild, work_dir: Path, report: Report) -> None:
        self._build = build
        self._work_dir = work_dir
        self._report = report
        self._steps: list[ProofStep] = []
        self._features: tuple[str, ...] = ()
        self._backend = "CPU"

    async def whole(self) -> ProofResult:
        started = time.monotonic()
        reason = signal_name = ""
        try:
            await self._all_steps()
        except Died as error:
            reason, signal_name = error.message, error.ending.signal_name or ""
            if not signal_name and error.log_tail:
                reason += f" It said: {error.log_tail[-1]}"
        except (WrongNumbers, EngineError) as error:
            reason = str(error)
        except TimeoutError:
            reason = "llama-server did not answer in time."
        present = ggml_features(read_cpu_flags())
        used = tuple(name for name in self._features if name in GGML_FEATURES)
        return ProofResult(
            ok=not reason,
            reason=reason,
            signal_name=signal_name,
            steps=tuple(self._steps),
            backend=self._backend,
            features_used=used,
            features_left_out=tuple(name for name in present if name not in used) if self._features else (),
            seconds=round(time.monotonic() - started, 2),
            proved_at=time.time(),
        )

    async def _all_steps(self) -> None:
        original = self._work_dir / "tiny.gguf"
        await asyncio.to_thread(write_tiny_model, original, shape=TINY)
        reference = await self._step("embed in F16", self._embed(original), _dimensions)
        for quant, bar in CLOSE_ENOUGH.items():
            model = self._work_dir / f"tiny-{quant}.gguf"
            await self._step(f"quantize to {quant}", self._quantize(original, model, quant), _size)
            await self._step(f"decode in {quant}", self._decode(model), _tokens)
            vector = await self._step(f"embed in {quant}", self._embed(model), _dimensions)
            self._compare(quant, cosine(reference, vector), bar)

    async def _step(self, name: str, work: Awaitable[_T], show: Callable[[_T], str]) -> _T:
        self._report(Progress(len(self._steps), _STEPS, "steps", name))
        try:
            value = await work
        except (WrongNumbers, EngineError, TimeoutError) as error:
            self._steps.append(ProofStep(name, False, str(error)))
            raise
        self._steps.append(ProofStep(name, True, show(value)))
        return value

    def _compare(self, quant: str, likeness: float, bar: float) -> None:
        detail = f"cosine {likeness:.4f} with F16, at least {bar} wanted"
        self._steps.append(ProofStep(f"{quant} computes like F16", likeness >= bar, detail))
        if likeness < bar:
            raise WrongNumbers(f"{quant} computes something else than F16: {detail}.")

    async def _quantize(self, original: Path, target: Path, quant: str) -> Path:
        lines: list[str] = []
        argv = (str(binary(self._build, "llama-quantize")), str(original), str(target), quant, "2")
        environment = clean_environment(os.environ, home=self._work_dir)
        child = await spawn(ChildSpec(argv, "llama-quantize", self._work_dir, environment, on_line=lines.append))
        try:
            ending = await asyncio.wait_for(child.wait(), 120)
        finally:
            await child.stop(grace_s=1.0)
        if ending.exit_code != 0:
            raise Died(ending.sentence, ending=ending, log_tail=tuple(lines[-5:]))
        return target

    async def _decode(self, model: Path) -> list[int]:
        """Generate twice at temperature 0: the same finite, likely-looking tokens both times."""
        request = {
            "prompt": PROMPT,
            "n_predict": TOKENS,
            "temperature": 0,
            "seed": 1,
            "n_probs": 1,
            "cache_prompt": False,
            "ignore_eos": True,
            "return_tokens": True,
        }
        async with self._server(model) as server:
            answers = [await server.ask("/completion", request) for _ in range(2)]
        first, second = (check_answer(answer) for answer in answers)
        if first != second:
            raise WrongNumbers("The same request at temperature 0 gave two different answers.")
        return first

    async def _embed(self, model: Path) -> list[float]:
        async with self._server(model, "--embeddings", "--pooling", "mean") as server:
            answer = await server.ask("/v1/embeddings", {"input": PROMPT})
        return check_embedding(answer, TINY.embedding)

    @contextlib.asynccontextmanager
    async def _server(self, model: Path, *more: str) -> AsyncIterator[ProofServer]:
        server = ProofServer()
        arguments = ("-m", str(model), "-c", "512", "-np", "1", "-t", "2", *more)
        try:
            async with server.running(binary(self._build, "llama-server"), arguments, self._work_dir):
                yield server
        finally:
            self._features, self._backend = server.features, server.backend


def check_answer(answer: Any) -> list[int]:
    """The tokens of a /completion answer. Raises WrongNumbers unless there are TOKENS with finite probabilities."""
    tokens = answer.get("tokens") if isinstance(answer, dict) else None
    if not isinstance(tokens, list) or len(tokens) != TOKENS:
        raise WrongNumbers(f"Decoding gave {len(tokens or [])} of {TOKENS} tokens.")
    chosen = [entry.get("logprob") for entry in answer.get("completion_probabilities", [])]
    if not chosen or not all(isinstance(value, int | float) and math.isfinite(value) for value in chosen):
        raise WrongNumbers("Decoding gave probabilities that are not finite numbers.")
    return tokens


def check_embedding(answer: Any, dimensions: int) -> list[float]:
    """The vector of a /v1/embeddings answer. Raises WrongNumbers unless finite, not zero and of the right length."""
    try:
        vector = answer["data"][0]["embedding"]
    except (KeyError, IndexError, TypeError):
        raise WrongNumbers("The embedding is missing in the answer.") from None
    if not isinstance(vector, list) or len(vector) != dimensions:
        raise WrongNumbers(f"The embedding has {len(vector)} numbers, the model has {dimensions}.")
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in vector):
        raise WrongNumbers("The embedding holds something that is not a finite number.")
    if not any(vector):
        raise WrongNumbers("The embedding is all zeros.")
    return vector


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Cosine of the angle between two vectors of the same length, neither of them zero."""
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return product / math.sqrt(sum(a * a for a in one) * sum(b * b for b in other))


def _dimensions(vector: Sequence[float]) -> str:
    return f"{len(vector)} finite numbers"


def _size(model: Path) -> str:
    return f"{model.stat().st_size:,} bytes"


def _tokens(tokens: Sequence[int]) -> str:
    return f"{len(tokens)} tokens, twice the same: {' '.join(map(str, tokens[:8]))} …"


def main(arguments: Sequence[str]) -> int:
    """Prove one build and print the result; exit code 0 when it passed, 1 when not, 4 when there is no build."""
    parser = argparse.ArgumentParser(prog="python -m engine.proof")
    parser.add_argument("--engine", type=Path, required=True, help="folder with llama-server")
    parser.add_argument("--cache", type=Path, required=True, help="folder of builds; the result is kept below it")
    parser.add_argument("--again", action="store_true", help="prove even when a result is kept")
    options = parser.parse_args(arguments)
    try:
        build = find_build(options.cache, {"JACKDAW_ENGINE": str(options.engine)})
        result = asyncio.run(prove_and_save(build, options.cache, lambda progress: None, again=options.again))
    except ModelsError as error:
        sys.stderr.write(f"{error.message} {error.hint}\n")
        return 4
    sys.stdout.write(json.dumps(asdict(result), indent=1) + "\n")
    return 0 if result.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
