"""How long a start takes until the window is seen, and its memory when idle: real starts on a virtual display.

The clock runs from the command (`packaging/bootstrap.py run`, what `make run` calls) to the first mapped window. Needs
Xvfb and xdotool; says so where they are missing.
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

CHECKOUT = Path(__file__).resolve().parents[2]
TARGET_S = 1.5
IDLE_TARGET_MIB = 150.0
SETTLE_S = 4.0
WAIT_S = 60.0


def main(rounds: int = 5) -> None:
    if shutil.which("Xvfb") is None or shutil.which("xdotool") is None:
        print("start: not measured, Xvfb or xdotool is missing here")
        return
    with virtual_display() as display, tempfile.TemporaryDirectory(prefix="jdb-") as home:
        (Path(home) / "settings.toml").write_text("port = 0\n", encoding="utf-8")
        environ = {**os.environ, "DISPLAY": display, "JACKDAW_HOME": home}
        environ.pop("QT_QPA_PLATFORM", None)
        starts, idle_mib = [], 0.0
        for number in range(rounds):
            seconds, idle = one_start(environ, settle_s=SETTLE_S if number == rounds - 1 else 0.5)
            starts.append(seconds)
            idle_mib = idle or idle_mib
        subprocess.run(
            [sys.executable, "-m", "desktop", "stop"], cwd=CHECKOUT, env=environ, check=False, capture_output=True
        )
    median = statistics.median(starts[1:] or starts)
    print(f"start to window: first {starts[0]:.2f} s, later starts median {median:.2f} s (target {TARGET_S} s)")
    print(f"memory of the window when idle: {idle_mib:.0f} MiB (target {IDLE_TARGET_MIB:.0f} MiB)")


def one_start(environ: dict[str, str], *, settle_s: float) -> tuple[float, float]:
    """(seconds until the window is mapped, resident MiB of its process after `settle_s`)."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "packaging/bootstrap.py", "run"],
        cwd=CHECKOUT,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not window_is_seen(environ):
            if process.poll() is not None or time.perf_counter() - began > WAIT_S:
                raise RuntimeError(f"no window appeared; exit code {process.poll()}")
        seconds = time.perf_counter() - began
        time.sleep(settle_s)  # idle is a state after some time, not a condition to wait for
        return seconds, psutil.Process(process.pid).memory_info().rss / 2**20
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def window_is_seen(environ: dict[str, str]) -> bool:
    search = ["xdotool", "search", "--onlyvisible", "--name", "Jackdaw"]
    return subprocess.run(search, env=environ, capture_output=True, check=False).returncode == 0


@contextmanager
def virtual_display() -> Iterator[str]:
    """A display of our own; Xvfb picks the number and says it."""
    read, write = os.pipe()
    argv = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1440x900x24", "-nolisten", "tcp"]
    server = subprocess.Popen(argv, pass_fds=(write,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as said:
            yield f":{said.readline().strip()}"
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
