"""Where each program keeps its models on this machine, from its own settings and environment variables."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from models.stores.types import Store
from models.stores.walk import read_small

# Ollama's installer for Linux makes a service with a user of its own (its scripts/install.sh).
OLLAMA_SERVICE = Path("/usr/share/ollama/.ollama/models")


@dataclass(frozen=True, slots=True)
class StorePlaces:
    """Folders to look through, by whose they are. They need not exist."""

    ollama: tuple[Path, ...] = ()
    lm_studio: tuple[Path, ...] = ()
    huggingface: tuple[Path, ...] = ()
    llama_cpp: tuple[Path, ...] = ()
    folders: tuple[Path, ...] = ()  # the user's own
    ours: tuple[Path, ...] = ()

    def all(self) -> tuple[tuple[Store, Path], ...]:
        """Each real folder once, ours first: a folder is whose program names it first."""
        found: dict[Path, tuple[Store, Path]] = {}
        lists: tuple[tuple[Store, tuple[Path, ...]], ...] = (
            ("jackdaw", self.ours),
            ("ollama", self.ollama),
            ("lm-studio", self.lm_studio),
            ("huggingface", self.huggingface),
            ("llama.cpp", self.llama_cpp),
            ("folder", self.folders),
        )
        for store, folders in lists:
            for folder in folders:
                found.setdefault(Path(os.path.realpath(folder)), (store, folder))
        return tuple(found.values())


def find_places(
    environ: Mapping[str, str], home: Path, folders: Iterable[Path] = (), ours: Iterable[Path] = ()
) -> StorePlaces:
    """The places of a user with this environment and home folder; reads two small settings files of LM Studio."""
    return StorePlaces(
        ollama=_ollama(environ, home),
        lm_studio=_lm_studio(home),
        huggingface=_huggingface(environ, home),
        llama_cpp=_llama_cpp(environ, home),
        folders=tuple(folders),
        ours=tuple(ours),
    )


def _ollama(environ: Mapping[str, str], home: Path) -> tuple[Path, ...]:
    """OLLAMA_MODELS, the user's own, the service's. Source: Ollama, envconfig/config.go and docs/faq."""
    own = [Path(environ["OLLAMA_MODELS"])] if environ.get("OLLAMA_MODELS") else []
    return (*own, home / ".ollama/models", *([OLLAMA_SERVICE] if sys.platform.startswith("linux") else []))


def _lm_studio(home: Path) -> tuple[Path, ...]:
    """The folder chosen in its settings, and the two it had by default.

    Source: lmstudio.js, findLMStudioHome (home pointer, ~/.cache/lm-studio, ~/.lmstudio); `downloadsFolder` in
    settings.json as its "change models folder" writes it.
    """
    homes = [home / ".lmstudio", home / ".cache/lm-studio"]
    with contextlib.suppress(OSError, ValueError):
        pointed = read_small(home / ".lmstudio-home-pointer", 4096).decode().strip()
        if pointed:
            homes.insert(0, Path(pointed))
    chosen = []
    for folder in homes:
        with contextlib.suppress(OSError, ValueError):
            settings = json.loads(read_small(folder / "settings.json"))
            if isinstance(settings, dict) and isinstance(settings.get("downloadsFolder"), str):
                chosen.append(Path(settings["downloadsFolder"]))
    return tuple(path for path in (*chosen, *(folder / "models" for folder in homes)) if path.is_absolute())


def _huggingface(environ: Mapping[str, str], home: Path) -> tuple[Path, ...]:
    """Source: huggingface_hub/constants.py: HF_HUB_CACHE, else HF_HOME/hub, else XDG_CACHE_HOME/huggingface/hub."""
    cache = Path(environ.get("XDG_CACHE_HOME") or home / ".cache")
    hub = Path(environ.get("HF_HOME") or cache / "huggingface") / "hub"
    chosen = [Path(environ[name]) for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE") if environ.get(name)]
    return tuple(dict.fromkeys(path.expanduser() for path in (*chosen, hub, home / ".cache/huggingface/hub")))


def _llama_cpp(environ: Mapping[str, str], home: Path) -> tuple[Path, ...]:
    """Source: llama.cpp, fs_get_cache_directory in common/common.cpp. Newer versions use Hugging Face's folders."""
    chosen = [Path(environ["LLAMA_CACHE"])] if environ.get("LLAMA_CACHE") else []
    if sys.platform == "win32":
        base = Path(environ.get("LOCALAPPDATA") or home / "AppData/Local")
    elif sys.platform == "darwin":
        base = home / "Library/Caches"
    else:
        base = Path(environ.get("XDG_CACHE_HOME") or home / ".cache")
    return (*chosen, base / "llama.cpp")
