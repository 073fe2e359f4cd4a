"""What has to be on the system already — compiler, cmake, Qt's libraries — and the command that installs it.

Nothing is installed from here: the user gets one sentence and one command, and decides.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from console import SetupError

# Name of each need in the package manager's own words; a manager that is missing has it in its base system.
PACKAGES: dict[str, dict[str, str]] = {
    "compiler": {
        "apt-get": "build-essential",
        "dnf": "gcc-c++ make",
        "zypper": "gcc-c++ make",
        "pacman": "base-devel",
        "apk": "build-base linux-headers",
    },
    "cmake": dict.fromkeys(("apt-get", "dnf", "zypper", "pacman", "apk", "brew"), "cmake"),
    "make": dict.fromkeys(("apt-get", "dnf", "zypper", "pacman", "apk"), "make"),
    "python": {
        "apt-get": "python3 python3-venv",
        "dnf": "python3.12",
        "zypper": "python312",
        "pacman": "python",
        "apk": "python3",
        "brew": "python@3.12",
    },
    "libEGL.so.1": {"apt-get": "libegl1", "dnf": "libglvnd-egl", "pacman": "libglvnd"},
    "libGL.so.1": {"apt-get": "libgl1", "dnf": "libglvnd-glx", "pacman": "libglvnd"},
    "libGLX.so.0": {"apt-get": "libgl1", "dnf": "libglvnd-glx", "pacman": "libglvnd"},
    "libOpenGL.so.0": {"apt-get": "libopengl0", "dnf": "libglvnd-opengl", "pacman": "libglvnd"},
    "libxkbcommon.so.0": {"apt-get": "libxkbcommon0", "dnf": "libxkbcommon", "pacman": "libxkbcommon"},
    "libxkbcommon-x11.so.0": {"apt-get": "libxkbcommon-x11-0", "dnf": "libxkbcommon-x11", "pacman": "libxkbcommon-x11"},
    "libdbus-1.so.3": {"apt-get": "libdbus-1-3", "dnf": "dbus-libs", "pacman": "dbus"},
    "libfontconfig.so.1": {"apt-get": "libfontconfig1", "dnf": "fontconfig", "pacman": "fontconfig"},
    "libfreetype.so.6": {"apt-get": "libfreetype6", "dnf": "freetype", "pacman": "freetype2"},
    "libglib-2.0.so.0": {"apt-get": "libglib2.0-0", "dnf": "glib2", "pacman": "glib2"},
    "libgthread-2.0.so.0": {"apt-get": "libglib2.0-0", "dnf": "glib2", "pacman": "glib2"},
    "libX11.so.6": {"apt-get": "libx11-6", "dnf": "libX11", "pacman": "libx11"},
    "libX11-xcb.so.1": {"apt-get": "libx11-xcb1", "dnf": "libX11-xcb", "pacman": "libx11"},
    "libxcb.so.1": {"apt-get": "libxcb1", "dnf": "libxcb", "pacman": "libxcb"},
    "libxcb-cursor.so.0": {"apt-get": "libxcb-cursor0", "dnf": "xcb-util-cursor", "pacman": "xcb-util-cursor"},
    "libxcb-icccm.so.4": {"apt-get": "libxcb-icccm4", "dnf": "xcb-util-wm", "pacman": "xcb-util-wm"},
    "libxcb-image.so.0": {"apt-get": "libxcb-image0", "dnf": "xcb-util-image", "pacman": "xcb-util-image"},
    "libxcb-keysyms.so.1": {"apt-get": "libxcb-keysyms1", "dnf": "xcb-util-keysyms", "pacman": "xcb-util-keysyms"},
    "libxcb-randr.so.0": {"apt-get": "libxcb-randr0", "dnf": "libxcb", "pacman": "libxcb"},
    "libxcb-render.so.0": {"apt-get": "libxcb-render0", "dnf": "libxcb", "pacman": "libxcb"},
    "libxcb-render-util.so.0": {
        "apt-get": "libxcb-render-util0",
        "dnf": "xcb-util-renderutil",
        "pacman": "xcb-util-renderutil",
    },
    "libxcb-shape.so.0": {"apt-get": "libxcb-shape0", "dnf": "libxcb", "pacman": "libxcb"},
    "libxcb-shm.so.0": {"apt-get": "libxcb-shm0", "dnf": "libxcb", "pacman": "libxcb"},
    "libxcb-sync.so.1": {"apt-get": "libxcb-sync1", "dnf": "libxcb", "pacman": "libxcb"},
    "libxcb-util.so.1": {"apt-get": "libxcb-util1", "dnf": "xcb-util", "pacman": "xcb-util"},
    "libxcb-xfixes.so.0": {"apt-get": "libxcb-xfixes0", "dnf": "libxcb", "pacman": "libxcb"},
    "libxcb-xkb.so.1": {"apt-get": "libxcb-xkb1", "dnf": "libxcb", "pacman": "libxcb"},
    "libwayland-client.so.0": {"apt-get": "libwayland-client0", "dnf": "libwayland-client", "pacman": "wayland"},
    "libwayland-cursor.so.0": {"apt-get": "libwayland-cursor0", "dnf": "libwayland-cursor", "pacman": "wayland"},
    "libwayland-egl.so.1": {"apt-get": "libwayland-egl1", "dnf": "libwayland-egl", "pacman": "wayland"},
}

INSTALL = {
    "apt-get": "apt-get install -y",
    "dnf": "dnf install -y",
    "zypper": "zypper install -y",
    "pacman": "pacman -S --needed",
    "apk": "apk add",
    "brew": "brew install",
}


class Tools(NamedTuple):
    """The programs a build uses, as absolute paths; `generator` is cmake's name for the one that runs the compiler."""

    cmake: str
    compiler_c: str
    compiler_cxx: str
    generator: str


def find_tools(environ: Mapping[str, str]) -> Tools:
    """The build tools on PATH (CC and CXX count). Raises SetupError naming the missing one and its install command."""
    path = environ.get("PATH", "")
    found_c = _first((environ.get("CC", ""), "cc", "gcc", "clang", "cl"), path)
    found_cxx = _first((environ.get("CXX", ""), "c++", "g++", "clang++", "cl"), path)
    if not found_c or not found_cxx:
        raise SetupError("No C++ compiler is installed; the engine is compiled for this machine.", install("compiler"))
    cmake = shutil.which("cmake", path=path)
    if not cmake:
        raise SetupError("cmake is not installed; it builds the engine.", install("cmake"))
    if shutil.which("ninja", path=path):
        return Tools(cmake, found_c, found_cxx, "Ninja")
    if sys.platform == "win32":
        return Tools(cmake, found_c, found_cxx, "NMake Makefiles")
    if not shutil.which("make", path=path):
        raise SetupError("Neither ninja nor make is installed; one of them runs the compiler.", install("make"))
    return Tools(cmake, found_c, found_cxx, "Unix Makefiles")


def install(*needs: str) -> str:
    """The one command that installs these needs with this system's package manager, or words where there is none."""
    if sys.platform == "darwin" and "compiler" in needs:
        return "xcode-select --install"
    manager = package_manager()
    names: list[str] = []
    for need in needs:
        for name in PACKAGES.get(need, {}).get(manager, "").split():
            if name not in names:
                names.append(name)
    if not manager or not names:
        return f"Install {', '.join(needs)} with your system's package manager, then run the same command again."
    sudo = "" if manager == "brew" or not hasattr(os, "geteuid") or os.geteuid() == 0 else "sudo "
    return f"{sudo}{INSTALL[manager]} {' '.join(names)}"


def package_manager() -> str:
    """The first of the known package managers on this system, "" for none. The system's folders count, not PATH."""
    folders = os.pathsep.join(
        (os.environ.get("PATH", ""), "/usr/bin", "/bin", "/sbin", "/usr/sbin", "/opt/homebrew/bin")
    )
    return next((name for name in INSTALL if shutil.which(name, path=folders)), "")


def missing_qt_libraries(qt: Path, wayland: bool) -> list[str]:
    """Sonames that Qt's widgets and this session's platform plugin want and the dynamic linker does not find.

    `qt` is the folder PySide6/Qt. Empty where ldd does not exist: then Qt's own message has to do.
    """
    if not sys.platform.startswith("linux") or not shutil.which("ldd"):
        return []
    plugins = qt / "plugins" / "platforms"
    wanted = [qt / "lib" / "libQt6Widgets.so.6"]
    wanted += sorted(plugins.glob("libqwayland*.so")) if wayland else [plugins / "libqxcb.so"]
    answers = [_ldd(path) for path in wanted if path.is_file()]
    return sorted({name for answer in answers for name in _not_found(answer.splitlines())})


def _ldd(path: Path) -> str:
    environ = {**os.environ, "LC_ALL": "C"}
    answer = subprocess.run(["ldd", str(path)], capture_output=True, text=True, env=environ, check=False, timeout=30)
    return answer.stdout


def _not_found(lines: Iterable[str]) -> list[str]:
    return [line.split("=>")[0].strip() for line in lines if line.rstrip().endswith("=> not found")]


def _first(names: Iterable[str], path: str) -> str | None:
    return next((found for name in names if name and (found := shutil.which(name, path=path))), None)
