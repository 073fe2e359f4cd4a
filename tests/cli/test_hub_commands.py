"""Finding and fetching from the command line: real processes, a real service, and a Hub of our own on loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop.cli.console import Console
from desktop.cli.context import Context
from desktop.cli.making import measured_text
from desktop.cli.models_parser import size
from desktop.merge_words import METHODS
from desktop.paths import Paths
from desktop.wire_models import Measurement, MeasurementList, PromptAnswer
from tests.cli.conftest import CHECKOUT, CommandLine
from tests.fake_hub import FakeHub

REPO = "acme/tiny-GGUF"
TOKEN = "hf_secretsecretsecret"


@pytest.fixture
def fake(home: Paths) -> Iterator[FakeHub]:
    with FakeHub() as fake:
        fake.tokens[TOKEN] = "somebody"
        yield fake


@pytest.fixture
def line(cli: CommandLine, home: Paths, fake: FakeHub) -> CommandLine:
    """A command line whose service asks the fake Hub, and has no keyring."""
    home.settings.write_text(f'port = 0\nhub_endpoint = "{fake.endpoint}"\n')
    cli.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
    return cli


def test_from_a_search_to_a_chat(line: CommandLine, fake: FakeHub, tiny_chat_gguf: Path) -> None:
    files = {"tiny-Q8_0.gguf": tiny_chat_gguf, "tiny-Q4_K_M.gguf": tiny_chat_gguf}
    fake.add_repo(REPO, files, licence="mit", downloads=12, tags=("text-generation",), card="# Tiny\n")
    fake.add_repo("acme/other", files, licence="mit")

    assert REPO in line.ok("models", "search", "tiny", "--task", "chat", "--licence", "mit", "--sort", "likes")
    fake.add_repo("acme/tiny", {"model.safetensors": b"x"}, tags=("safetensors",))
    found = line.inside("models", "search", "tiny", "--format", "safetensors")
    assert [model["repo"] for model in found["models"]] == ["acme/tiny"]
    shown = line.ok("models", "show", REPO)
    assert "recommended" in shown and f"jackdaw models pull {REPO}:QUANT" in shown
    assert line.ok("models", "card", REPO) == "# Tiny\n"
    variants = line.inside("models", "show", REPO)["variants"]
    assert all(variant["verdict"] == "fits" and variant["tokens_per_s"] > 0 for variant in variants)
    assert "tokens of context" in line.ok("models", "fit", f"{REPO}:Q8_0", "--context", "512")
    assert not fake.seen("cdn", path="tiny-Q4_K_M.gguf")  # only the header of the one that was asked about
    pulled = line.run("models", "pull", REPO)
    assert pulled.returncode == 0, pulled.stderr
    assert "Chose Q8_0" in pulled.stderr and "recommended" in pulled.stderr
    (model,) = line.inside("models", "list")
    assert f"jackdaw chat -m {model['id']}" in pulled.stdout
    assert Path(model["path"]).read_bytes() == tiny_chat_gguf.read_bytes()
    assert line.json("chat", "-m", model["id"], "-n", "8", "hello")["state"] == "complete"
    assert "here already" in line.ok("models", "pull", REPO)
    assert [job["state"] for job in line.inside("jobs", "list", "--all")] == ["done"]
    assert model["id"] in line.ok("models", "disk")
    removed = line.ok("models", "rm", model["id"])
    assert "its file is deleted" in removed and "became free" in removed


def test_ctrl_c_pauses_a_pull_and_the_same_command_goes_on(
    line: CommandLine, fake: FakeHub, home: Paths, tiny_chat_gguf: Path
) -> None:
    fake.add_repo(REPO, {"tiny-Q8_0.gguf": tiny_chat_gguf})
    line.ok("models", "list")  # starts the service
    fake.rate = 400_000.0
    command = [sys.executable, "-m", "desktop", "--home", str(line.home), "models", "pull", f"{REPO}:Q8_0"]
    pull = subprocess.Popen(command, cwd=CHECKOUT, env=line.environ, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: sum(seen.sent for seen in fake.seen("cdn")) > 300_000)

    pull.send_signal(signal.SIGINT)
    _, said = pull.communicate(timeout=30)

    assert pull.returncode == 130
    assert "Paused at" in said and f"models pull {REPO}:Q8_0" in said
    (job,) = line.inside("jobs", "list")
    assert job["state"] == "paused"
    assert line.inside("models", "list") == []
    before = sum(seen.sent for seen in fake.seen("cdn"))
    fake.rate = None

    line.ok("models", "pull", f"{REPO}:Q8_0")

    assert line.inside("jobs", "list") == []
    (model,) = line.inside("models", "list")
    assert Path(model["path"]).read_bytes() == tiny_chat_gguf.read_bytes()
    assert sum(seen.sent for seen in fake.seen("cdn")) - before < tiny_chat_gguf.stat().st_size


def test_a_paused_job_can_be_cancelled_and_leaves_nothing(
    line: CommandLine, fake: FakeHub, home: Paths, tiny_chat_gguf: Path
) -> None:
    fake.add_repo(REPO, {"tiny-Q8_0.gguf": tiny_chat_gguf})
    fake.fault("stall", on="cdn", after=100_000)
    line.run("models", "list")
    command = [sys.executable, "-m", "desktop", "--home", str(line.home), "models", "pull", REPO]
    pull = subprocess.Popen(command, cwd=CHECKOUT, env=line.environ, stderr=subprocess.DEVNULL)
    wait_until(lambda: bool(fake.seen("cdn")))
    (job,) = line.inside("jobs", "list")

    assert line.inside("jobs", "pause", job["id"])["state"] == "paused"
    assert pull.wait(timeout=30) == 1
    assert line.inside("jobs", "cancel", job["id"])["state"] == "cancelled"

    assert not [path for path in home.models.rglob("*") if path.is_file()]


def test_a_gated_repository_asks_for_a_login_then_for_its_terms(
    line: CommandLine, fake: FakeHub, tiny_chat_gguf: Path
) -> None:
    repo = fake.add_repo(REPO, {"tiny-Q8_0.gguf": tiny_chat_gguf}, gated="auto")

    refused = line.run("models", "pull", REPO)
    assert refused.returncode == 1 and "jackdaw hub login" in refused.stderr
    no_keyring = line.run("hub", "login", stdin=f"{TOKEN}\n")
    assert no_keyring.returncode == 1 and "--session" in no_keyring.stderr
    wrong = line.run("hub", "login", "--session", stdin="hf_notatokenofanybody\n")
    assert wrong.returncode == 1 and "does not accept" in wrong.stderr
    assert line.inside("hub", "whoami")["present"] is False
    assert "in memory alone" in line.ok("hub", "login", "--session", stdin=f"{TOKEN}\n")
    assert line.inside("hub", "whoami")["user"] == "somebody"
    terms = line.run("models", "pull", REPO)
    assert terms.returncode == 1 and f"{fake.endpoint}/{REPO}" in terms.stderr
    repo.granted = frozenset({"somebody"})
    line.ok("models", "pull", REPO)
    line.ok("hub", "logout")
    assert line.inside("hub", "whoami")["present"] is False
    assert not any(TOKEN in str(seen.headers) for seen in fake.seen("cdn"))
    written = [path for path in line.home.rglob("*") if path.is_file()]
    assert not any(TOKEN.encode() in path.read_bytes() for path in written)


@pytest.mark.accept(31)
def test_air_gapped_and_offline_end_with_4(line: CommandLine, fake: FakeHub, home: Paths) -> None:
    assert line.json("config", "air_gapped=true") == {"air_gapped": True}  # at run time: the service stays up
    for command in (("models", "search", "x"), ("models", "pull", REPO), ("models", "convert", "acme/tiny")):
        refused = line.run(*command)
        assert refused.returncode == 4, (command, refused.stderr)
        assert "air-gapped" in refused.stderr
    assert not fake.requests
    line.inside("config", "air_gapped=off", "hub_endpoint=http://127.0.0.1:1")

    offline = line.run("models", "search", "x")

    assert offline.returncode == 4
    assert "127.0.0.1 cannot be reached" in offline.stderr


def test_what_is_not_there_is_said_with_what_is(line: CommandLine, fake: FakeHub, tiny_chat_gguf: Path) -> None:
    fake.add_repo(REPO, {"tiny-Q8_0.gguf": tiny_chat_gguf})
    fake.add_repo("acme/tiny", {"model.safetensors": b"x", "config.json": b"{}"})

    cases = {
        (f"{REPO}:Q3_K_M",): "It has: Q8_0",
        ("acme/tiny",): "jackdaw models convert acme/tiny",
        ("acme/none",): "not on 127.0.0.1, or it is private",
        ("nonsense",): "no author",
        (REPO, "--file", "none.gguf"): "none.gguf",
    }

    for arguments, says in cases.items():
        done = line.run("models", "pull", *arguments)
        assert done.returncode == 1, (arguments, done.stderr)
        assert says in done.stderr and "Traceback" not in done.stderr
    assert line.run("models", "search", "--limit", "0").returncode == 2


def test_settings_are_shown_with_their_help_and_changed_all_or_none(line: CommandLine) -> None:
    shown = line.ok("config", "air_gapped", "download_parts")
    assert "download_parts = 4" in shown and "air_gapped = false" in shown and "Never use the network" in shown

    for wrong in (
        "air_gaped=true",
        "air_gapped=perhaps",
        "download_parts=99",
        "port=x",
        "hub_endpoint=http://evil.example",
    ):
        refused = line.run("config", "download_parts=2", wrong)
        assert refused.returncode == 2, (wrong, refused.stderr)
        assert refused.stderr.startswith("jackdaw: ")

    assert line.inside("config", "download_parts") == {"download_parts": 4}
    assert line.inside("config", "download_parts=2", "default_model=") == {"download_parts": 2, "default_model": ""}


def wait_until(condition: object, timeout_s: float = 30.0) -> None:
    assert callable(condition)
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


def test_stores_are_found_used_and_merged_only_with_consent(
    line: CommandLine, fake: FakeHub, home: Paths, tmp_path: Path, tiny_chat_gguf: Path
) -> None:
    line.environ["HOME"] = str(tmp_path)
    first, second = tmp_path / "models" / "a" / "x" / "one.gguf", tmp_path / "models" / "b" / "y" / "two.gguf"
    for path in (first, second):
        path.parent.mkdir(parents=True)
        path.write_bytes(tiny_chat_gguf.read_bytes())

    report = line.json("models", "scan", str(tmp_path / "models"), "--add")

    assert {found["path"] for found in report["models"]} == {str(first), str(second)}
    (pair,) = report["duplicates"]
    assert sorted(pair["paths"]) == [str(first), str(second)]
    assert len(report["added"]) >= 1
    assert set(report["added"]) <= {found["model_id"] for found in report["models"]}  # as it is after taking them in
    refused = line.run("models", "scan", str(tmp_path / "models"), "--merge")
    assert refused.returncode == 2 and "Nothing was merged" in refused.stderr
    assert not pair["method"] or METHODS[pair["method"]] in refused.stderr  # what is agreed to is said
    assert os.stat(first).st_ino != os.stat(second).st_ino

    if pair["method"]:
        done = line.inside("models", "scan", str(tmp_path / "models"), "--merge", "--yes")
        assert done["saved_bytes"] == pytest.approx(tiny_chat_gguf.stat().st_size, rel=0.05)
        assert "more than once" not in line.ok("models", "scan", str(tmp_path / "models"))
    assert first.read_bytes() == second.read_bytes() == tiny_chat_gguf.read_bytes()


def test_a_model_is_quantized_and_its_options_are_kept(line: CommandLine, tiny_chat_gguf: Path) -> None:
    model = line.json("models", "import", str(tiny_chat_gguf))["id"]

    assert "Q4_K_M" in {one["name"] for one in line.inside("models", "types", model)["types"]}
    (made,) = line.inside("models", "quantize", model, "--to", "Q8_0")["models"]
    assert made in {one["id"] for one in line.inside("models", "list")}
    wrong = line.run("models", "quantize", model, "--to", "Q9_X")
    assert wrong.returncode == 1 and "Q9_X" in wrong.stderr
    assert line.inside("models", "measure", made, "--show")["measurements"] == []
    changed = line.inside("models", "options", model, "context=1024", "slots=1")
    assert (changed["context"], changed["slots"], changed["fit"]["context"]) == (1024, 1, 1024)
    assert line.inside("models", "options", model)["context"] == 1024
    told = line.ok("models", "options", model)
    assert "left to the fit, now f16" in told
    assert line.inside("models", "options", model, "context=")["context"] is None
    for unknown in ("adapters=nobody:0.5", "draft_model=nobody"):
        refused = line.run("models", "options", model, unknown)
        assert refused.returncode == 1 and "'nobody'" in refused.stderr
    bad = line.run("models", "options", model, "context=7")
    assert bad.returncode == 2 and "256" in bad.stderr
    fit = line.inside("models", "fit", model, "--context", "512", "--cache-type", "q8_0")
    assert (fit["context"], fit["cache_type_k"], fit["verdict"]) == (512, "q8_0", "fits")
    assert line.inside("models", "suggest", "chat")["memory_bytes"] > 0


def test_what_was_made_is_measured_when_asked_for(line: CommandLine, tiny_chat_gguf: Path) -> None:
    model = line.json("models", "import", str(tiny_chat_gguf))["id"]

    said = line.run("models", "quantize", model, "--to", "Q8_0", "--measure")

    assert said.returncode == 0, said.stderr
    assert "Now measuring" in said.stderr
    assert "KL DIVERGENCE" in said.stdout and "Pick: " in said.stdout
    rows = {one["quant"]: one for one in line.inside("models", "measure", model, "--show")["measurements"]}
    assert rows["F16"]["kl_divergence"] == 0 < rows["Q8_0"]["kl_divergence"]
    # over the same tokens, or they could not be compared
    assert rows["F16"]["perplexity"] == pytest.approx(rows["Q8_0"]["perplexity"], rel=0.1)


def test_a_model_is_split_and_merged(line: CommandLine, tiny_chat_gguf: Path) -> None:
    model = line.json("models", "import", str(tiny_chat_gguf))["id"]

    (parts,) = line.inside("models", "split", model, "--max-size", "1M")["models"]
    whole = line.run("models", "merge", model)
    (merged,) = line.inside("models", "merge", parts)["models"]

    assert whole.returncode == 1 and "one file already" in whole.stderr
    sizes = {one["id"]: one["params"] for one in line.inside("models", "list")}
    assert sizes[parts] == sizes[merged] == sizes[model]


def test_sizes_are_read_as_they_are_printed() -> None:
    assert [size(text) for text in ("500M", "2g", "1.5 GB")] == [500_000_000, 2_000_000_000, 1_500_000_000]
    for wrong in ("1K", "2", "-1M", "G", "1e9M", ""):
        with pytest.raises(ArgumentTypeError, match="must be a size"):
            size(wrong)


def test_a_service_that_ends_under_a_pull_is_told_with_how_to_go_on(
    line: CommandLine, fake: FakeHub, tiny_chat_gguf: Path
) -> None:
    fake.add_repo(REPO, {"tiny-Q8_0.gguf": tiny_chat_gguf})
    fake.fault("stall", on="cdn", after=100_000)
    line.ok("models", "list")
    command = [sys.executable, "-m", "desktop", "--home", str(line.home), "models", "pull", REPO]
    pull = subprocess.Popen(command, cwd=CHECKOUT, env=line.environ, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: bool(fake.seen("cdn")))

    os.kill(line.inside("status")["pid"], signal.SIGKILL)
    _, said = pull.communicate(timeout=30)

    assert pull.returncode == 4
    assert "ended meanwhile" in said and f"models pull {REPO}" in said


def test_answers_to_a_prompt_stand_side_by_side(home: Paths) -> None:
    said = [
        PromptAnswer(model_id=model, prompt=prompt, answer=f"{model} says so", same_words=same)
        for model, same in (("whole", None), ("small", 2))
        for prompt in ("One?", "Two?")
    ]
    rows = [Measurement(model_id="small", quant="Q2_K", bytes=1, state="done", source_id="whole")]
    found = MeasurementList(source_id="whole", measurements=rows, frontier=[], answers=said)

    text = measured_text(Context(Namespace(), Console(as_json=False), home), found)

    first, second = text.index("> One?"), text.index("> Two?")
    assert text.count("> One?") == 1
    assert "[small, its first 2 of 3 words as whole] small says so" in text[first:second]
