"""The tiny models do in the real llama-server what they are for."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.gguf import read_header
from models.tiny_model import HALF_BILLION, TINY, TinyShape, write_tiny_model
from models.tiny_vocabulary import byte_vocabulary


@contextlib.contextmanager
def server(engine_bin: Path, model: Path, *flags: str) -> Iterator[httpx.Client]:
    """llama-server with one model on a free port; a client of it once it has loaded."""
    argv = [str(engine_bin / "llama-server"), "--model", str(model), "--port", "0", "--ctx-size", "1024"]
    argv += ["--parallel", "1", "--threads", "1", "--offline", "--no-ui", *flags]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
        try:
            assert child.stderr is not None
            lines = []
            for line in child.stderr:
                lines.append(line)
                if found := re.search(r"listening on (http://\S+)", line):
                    break
            else:
                pytest.fail("llama-server ended: " + "".join(lines[-20:]))
            with httpx.Client(base_url=found[1], timeout=30, trust_env=False) as client:
                yield client
        finally:
            child.terminate()
            child.communicate()


def post(client: httpx.Client, path: str, body: dict[str, Any]) -> Any:
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


CHAT = {"messages": [{"role": "user", "content": "Hello there"}], "max_tokens": 40, "temperature": 0}


def test_a_chat_streams_printable_text_one_byte_per_token(engine_bin: Path, tiny_chat_gguf: Path) -> None:
    with server(engine_bin, tiny_chat_gguf) as client:
        answer = post(client, "/v1/chat/completions", CHAT)
        with client.stream("POST", "/v1/chat/completions", json=CHAT | {"stream": True}) as response:
            events = [json.loads(line[6:]) for line in response.iter_lines() if line.startswith("data: {")]

    text = answer["choices"][0]["message"]["content"]
    assert len(text) == 40 and text.isprintable() and text.isascii()
    assert answer["choices"][0]["finish_reason"] == "length"
    template = "<|im_start|>user\nHello there<|im_end|>\n<|im_start|>assistant\n"
    specials = template.count("<|")
    assert answer["usage"]["prompt_tokens"] == len(re.sub(r"<\|\w+\|>", "", template)) + specials
    pieces = [event["choices"][0]["delta"].get("content") or "" for event in events if event["choices"]]
    assert "".join(pieces) == text
    assert sum(bool(piece) for piece in pieces) == 40


@pytest.mark.parametrize("quant", ["Q4_K", "Q8_0"])
def test_a_quantized_one_loads_and_answers(engine_bin: Path, tiny_chat_gguf: Path, tmp_path: Path, quant: str) -> None:
    made = tmp_path / "quantized.gguf"
    argv = [str(engine_bin / "llama-quantize"), str(tiny_chat_gguf), str(made), quant, "1"]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)

    header = read_header(made)
    assert header.quant.startswith(quant)
    assert quant in {tensor.type for tensor in header.tensors}
    with server(engine_bin, made) as client:
        assert len(post(client, "/v1/chat/completions", CHAT)["choices"][0]["message"]["content"]) == 40


def test_q8_0_is_also_written_directly(engine_bin: Path, tmp_path: Path) -> None:
    made = write_tiny_model(tmp_path / "direct.gguf", dtype="Q8_0")
    assert read_header(made).quant == "Q8_0"
    with server(engine_bin, made) as client:
        assert len(post(client, "/v1/chat/completions", CHAT)["choices"][0]["message"]["content"]) == 40


def test_embeddings_have_length_one_and_alike_texts_are_near(engine_bin: Path, tiny_embedding_gguf: Path) -> None:
    with server(engine_bin, tiny_embedding_gguf, "--embeddings") as client:
        data = post(client, "/v1/embeddings", {"input": ["a cat sat", "a cat sits", "zzzz 123 !?"]})["data"]
    one, near, far = (entry["embedding"] for entry in data)
    assert len(one) == TINY.embedding
    assert sum(value * value for value in one) == pytest.approx(1, abs=1e-4)
    assert sum(a * b for a, b in zip(one, near, strict=True)) > sum(a * b for a, b in zip(one, far, strict=True))


def test_reranking_scores_every_document(engine_bin: Path, tiny_rerank_gguf: Path) -> None:
    documents = ["a cat is an animal", "dogs bark", "123"]
    with server(engine_bin, tiny_rerank_gguf, "--rerank") as client:
        results = post(client, "/v1/rerank", {"query": "what is a cat", "documents": documents})["results"]
    scores = {entry["index"]: entry["relevance_score"] for entry in results}
    assert set(scores) == {0, 1, 2}
    assert all(0 <= score <= 1 for score in scores.values())
    assert len(set(scores.values())) == 3


def test_infill_works_with_its_tokens_and_only_with_them(
    engine_bin: Path, tiny_fim_gguf: Path, tiny_chat_gguf: Path
) -> None:
    body = {"input_prefix": "def f(", "input_suffix": "return x", "n_predict": 8, "temperature": 0}
    with server(engine_bin, tiny_fim_gguf) as client:
        assert len(post(client, "/infill", body)["content"]) == 8
    with server(engine_bin, tiny_chat_gguf) as client:
        assert client.post("/infill", json=body).status_code == 501


def test_the_same_arguments_give_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    digests = [
        hashlib.sha256(write_tiny_model(tmp_path / f"{index}.gguf", seed=seed).read_bytes()).hexdigest()
        for index, seed in enumerate((0, 0, 1))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_a_model_that_could_not_be_written_leaves_no_file(tmp_path: Path) -> None:
    too_few_words = TinyShape(2, 256, 4, 2, 512, 512, vocabulary=10)
    with pytest.raises(ValueError, match="no room"):
        write_tiny_model(tmp_path / "a.gguf", shape=too_few_words)
    with pytest.raises(FileNotFoundError):
        write_tiny_model(tmp_path / "missing" / "a.gguf")
    assert list(tmp_path.iterdir()) == []


def test_the_vocabulary_spells_every_byte(tmp_path: Path) -> None:
    vocabulary = byte_vocabulary(infill=True, size=300)
    assert len(vocabulary.tokens) == len(set(vocabulary.tokens)) == len(vocabulary.types) == 300
    assert vocabulary.tokens[ord("A")] == "A"
    assert max(vocabulary.output_bias()) == vocabulary.output_bias()[ord(" ")] > vocabulary.output_bias()[256]


@pytest.mark.slow
def test_the_half_billion_preset_has_qwens_sizes(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / "half.gguf", shape=HALF_BILLION, dtype="Q8_0")
    header = read_header(path)
    path.unlink()  # pytest keeps the folders of the last runs, and this is half a gigabyte
    assert (header.block_count, header.embedding_length, header.head_count, header.head_count_kv) == (24, 896, 14, 2)
    assert (header.feed_forward_length, header.vocab_size) == (4864, 151_936)
    # 494,032,768 as Qwen2.5-0.5B's model card counts them, and the bias of the output layer.
    assert header.parameter_count == 494_032_768 + 151_936
