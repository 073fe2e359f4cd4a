"""The child that runs one of llama.cpp's conversion scripts: `python -I -u script.py SCRIPTS NAME [ARGUMENT …]`.

Runs in the jail with nothing of ours imported but pre_tokenizers.py. It adds two things to the scripts as they are:
progress as lines, and a way to recognise how a tokenizer splits words when its vocabulary is not one of the known
hundred (a fine-tune with tokens of its own).
"""

from __future__ import annotations

import importlib
import os
import runpy
import sys
from typing import Any

WRITTEN = "@written"


class Written:
    """Stands in for tqdm's bar: a line per tensor that was written, with the bytes so far and in all."""

    def __init__(self, *_arguments: Any, total: int | None = None, desc: str = "", **_others: Any) -> None:
        self._done, self._total, self._counts = 0, int(total or 0), desc == "Writing"

    def update(self, count: float = 1) -> None:
        self._done += int(count)
        if self._counts:
            sys.stdout.write(f"{WRITTEN} {self._done} {self._total}\n")

    def set_description(self, *_arguments: Any, **_others: Any) -> None: ...

    def reset(self, total: float | None = None) -> None: ...

    def close(self) -> None: ...


def recognise_by_structure(text_model: Any) -> None:
    """Where the scripts do not recognise a pre-tokenizer by what it makes of a text, look at how it is built."""
    from models.convert.pre_tokenizers import name_of

    by_hash = text_model.get_vocab_base_pre

    def get_vocab_base_pre(self: Any, tokenizer: Any) -> str:
        try:
            return str(by_hash(self, tokenizer))
        except NotImplementedError:
            name = name_of(self.dir_model / "tokenizer.json")
            if not name:
                raise
            sys.stdout.write(f"The pre-tokenizer was recognised by its structure: {name}\n")
            return name

    text_model.get_vocab_base_pre = get_vocab_base_pre


def main(arguments: list[str]) -> None:
    scripts, name, *rest = arguments
    sys.path[:0] = [os.path.join(scripts, "gguf-py"), scripts]  # noqa: PTH118
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))  # noqa: PTH100, PTH120
    importlib.import_module("tqdm").tqdm = Written  # type: ignore[attr-defined]
    recognise_by_structure(importlib.import_module("conversion").TextModel)
    program = os.path.join(scripts, name)  # noqa: PTH118
    sys.argv = [program, *rest]
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
