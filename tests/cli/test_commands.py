"""Every command of the table in the design, as processes against a real service and a real engine."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.cli.conftest import CHECKOUT, CommandLine


def test_without_a_service_status_says_so_and_exits_4(cli: CommandLine) -> None:
    done = cli.run("status")
    assert done.returncode == 4
    assert "not running" in done.stderr
    assert "jackdaw serve" in done.stderr


def test_stop_without_a_service_is_done_already(cli: CommandLine) -> None:
    assert cli.json("stop") == {"stopped": False}


def test_wrong_usage_exits_2_and_names_what_is_missing(cli: CommandLine) -> None:
    done = cli.run("key", "new")
    assert done.returncode == 2
    assert "NAME" in done.stderr


def test_a_command_starts_the_service_and_says_it(cli: CommandLine) -> None:
    done = cli.run("models", "list")
    assert done.returncode == 0
    assert "in the background" in done.stderr
    assert "jackdaw models import" in done.stdout
    assert cli.json("status")["models"] == []


def test_import_show_list_and_remove_a_model(cli: CommandLine, tiny_chat_gguf: Path) -> None:
    model = cli.json("models", "import", str(tiny_chat_gguf))
    assert model["path"] == str(tiny_chat_gguf)
    assert model["id"] in cli.ok("models", "list")
    shown = cli.ok("models", "show", model["id"])
    assert "F16" in shown
    assert str(tiny_chat_gguf) in shown
    removed = cli.json("models", "rm", model["id"])
    assert (removed["id"], removed["path"], removed["file_deleted"]) == (model["id"], str(tiny_chat_gguf), False)
    assert tiny_chat_gguf.exists()
    assert cli.json("models", "list") == []


def test_a_file_that_is_no_model_is_refused_with_the_reason(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "notes.gguf").write_text("not a model at all")
    done = cli.run("models", "import", str(tmp_path / "notes.gguf"))
    assert done.returncode == 1
    assert "GGUF" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_model_fails_with_a_hint(cli: CommandLine) -> None:
    done = cli.run("models", "show", "nobody")
    assert done.returncode == 1
    assert "nobody" in done.stderr


def test_a_key_opens_the_port_until_it_is_revoked(cli: CommandLine) -> None:
    secret = cli.ok("key", "new", "editor", "--quiet").strip()
    assert re.fullmatch(r"jd-[\w-]{40,}", secret)
    port = cli.json("status")["port"]["number"]
    assert port_status(port, secret) == 200
    assert [key["name"] for key in cli.json("key", "list")] == ["editor"]
    assert secret not in cli.ok("key", "list")
    cli.ok("key", "revoke", "editor")
    assert port_status(port, secret) == 401


def port_status(port: int, key: str) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/models", headers={"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_chat_answers_a_prompt_and_keeps_it(cli: CommandLine, tiny_chat_gguf: Path) -> None:
    cli.ok("models", "import", str(tiny_chat_gguf))
    first = cli.json("chat", "hello there", "-s", "Answer.", "-n", "40")
    assert first["state"] == "complete"
    assert first["usage"]["completion_tokens"] == 40
    again = cli.json("chat", "--continue", "and again")
    assert again["chat_id"] == first["chat_id"]
    assert again["parent_id"] != first["parent_id"]


def test_chat_takes_its_prompt_from_a_pipe_and_prints_the_answer_alone(cli: CommandLine, tiny_chat_gguf: Path) -> None:
    cli.ok("models", "import", str(tiny_chat_gguf))
    answer = cli.ok("chat", "-n", "30", "What is this?", stdin="text from a pipe\n")
    assert answer.strip()
    assert "\x1b" not in answer


def test_an_empty_pipe_is_wrong_usage(cli: CommandLine) -> None:
    assert cli.run("chat", stdin="").returncode == 2


def test_chat_without_any_model_says_what_to_do(cli: CommandLine) -> None:
    done = cli.run("chat", "hello")
    assert done.returncode == 1
    assert "jackdaw models import" in done.stderr


def test_bench_prints_both_speeds(cli: CommandLine, tiny_chat_gguf: Path) -> None:
    model = cli.json("models", "import", str(tiny_chat_gguf))
    result = cli.json("bench", model["id"])
    assert result["tokens_per_s"] > 0
    assert result["prompt_tokens_per_s"] > 0


def test_doctor_proves_the_engine(cli: CommandLine, engine_bin: Path) -> None:
    text = cli.ok("doctor")
    assert str(engine_bin.parent) in text
    assert "The engine works here." in text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command(cli: CommandLine, shell: str) -> None:
    script = cli.ok("completion", shell)
    for word in ("status", "doctor", "models", "import", "revoke", "chat"):
        assert word in script


def test_bash_completes_commands_and_options() -> None:
    jackdaw = f'jackdaw() {{ {sys.executable} -m desktop "$@"; }}'
    script = f"""{jackdaw}
    eval "$(jackdaw completion bash)"
    complete_words() {{ COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _jackdaw; echo "${{COMPREPLY[*]}}"; }}
    complete_words jackdaw mo; complete_words jackdaw models i; complete_words jackdaw key new --q"""
    done = subprocess.run(["bash", "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == ["models", "import", "--quiet"]


class Terminal:
    """`jackdaw chat` at a pseudo terminal: what a person types and sees."""

    def __init__(self, cli: CommandLine, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "desktop", "--home", str(cli.home), *arguments],
            cwd=CHECKOUT,
            env={**cli.environ, "TERM": "xterm-256color", "COLUMNS": "200"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.seen = ""

    def until(self, mark: str) -> str:
        """Read until `mark` is shown; what was read before it is returned and forgotten."""
        while mark not in self.seen:
            assert select.select([self._master], [], [], 60)[0], self.seen
            self.seen += os.read(self._master, 65536).decode("utf-8", "replace")
        shown, _, self.seen = self.seen.partition(mark)
        return shown

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def close(self) -> int:
        code = self._process.wait(60)
        os.close(self._master)
        return code


def test_a_conversation_at_the_terminal(cli: CommandLine, tiny_chat_gguf: Path) -> None:
    cli.ok("models", "import", str(tiny_chat_gguf))
    terminal = Terminal(cli, "chat", "-n", "30")
    terminal.until(">>> ")
    terminal.type("hello\n")
    terminal.until("tok/s")
    terminal.until(">>> ")
    terminal.type("/new\n")
    terminal.until("A new chat.")
    terminal.until(">>> ")
    terminal.type("/exit\n")
    assert terminal.close() == 0
    history = cli.home / "chat_history"
    assert "hello" in history.read_text()
    assert stat.S_IMODE(history.stat().st_mode) == 0o600


def test_errors_are_json_free_and_output_is_json_only(cli: CommandLine) -> None:
    done = cli.run("--json", "status")
    assert done.stdout == ""
    assert not done.stderr.startswith("{")
    assert json.loads(cli.ok("stop", "--json")) == {"stopped": False}


def test_completing_names_asks_a_running_service_and_never_starts_one(cli: CommandLine, tiny_chat_gguf: Path) -> None:
    assert cli.ok("_names", "models").strip() == ""
    assert cli.run("status").returncode == 4
    model = cli.json("models", "import", str(tiny_chat_gguf))
    assert cli.ok("_names", "models").split() == [model["id"]]
