"""What the machine has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.devices import (
    _cgroup_memory,
    held_bytes,
    list_devices,
    memory_now,
    oom_kills,
    parse_devices,
    processors,
    rss_bytes,
)

GIB = 1024**3


def test_devices_as_llama_server_lists_them() -> None:
    lines = [
        "Available devices:",
        "  CUDA0: NVIDIA H200 (143156 MiB, 142638 MiB free)",
        "  Vulkan1: AMD Radeon (TM) Graphics (RADV GFX1103) (15872 MiB, 15360 MiB free)",
    ]
    cuda, vulkan = parse_devices(lines)
    assert (cuda.device_id, cuda.name, cuda.free_bytes) == ("CUDA0", "NVIDIA H200", 142638 * 1024**2)
    assert (vulkan.name, vulkan.total_bytes) == ("AMD Radeon (TM) Graphics (RADV GFX1103)", 15872 * 1024**2)


@pytest.mark.anyio
async def test_llama_server_itself_is_asked(engine_bin: Path, tmp_path: Path) -> None:
    devices = await list_devices(engine_bin / "llama-server", tmp_path, os.environ)
    assert all(0 <= device.free_bytes <= device.total_bytes for device in devices)


def test_memory_is_plausible() -> None:
    now = memory_now()
    assert 0 < now.available_bytes <= now.total_bytes
    assert oom_kills() >= 0
    logical, physical = processors()
    assert 1 <= physical <= logical


def write_group(folder: Path, limit: str) -> None:
    (folder / "memory.max").write_text(limit)
    (folder / "memory.current").write_text(f"{3 * GIB}\n")
    (folder / "memory.stat").write_text(f"anon 5\nactive_file {GIB // 2}\ninactive_file {GIB // 2}\n")


def test_a_container_has_what_its_group_may_use(tmp_path: Path) -> None:
    write_group(tmp_path, f"{4 * GIB}\n")
    group = _cgroup_memory(tmp_path)
    assert group is not None
    assert (group.total_bytes, group.available_bytes) == (4 * GIB, 2 * GIB)


def test_a_group_without_limit_says_nothing(tmp_path: Path) -> None:
    assert _cgroup_memory(tmp_path) is None
    write_group(tmp_path, "max\n")
    assert _cgroup_memory(tmp_path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells mapped files apart")
def test_mapped_weights_are_resident_but_not_held(tmp_path: Path) -> None:
    size = 64 * 1024**2
    weights = tmp_path / "weights"
    weights.write_bytes(b"\1" * size)
    code = (
        f"import mmap; f = open({str(weights)!r}, 'rb'); m = mmap.mmap(f.fileno(), 0, prot=1); sum(m[::4096]); print(1)"
    )
    with subprocess.Popen([sys.executable, "-u", "-c", code + "; input()"], stdin=-1, stdout=-1) as process:
        assert process.stdout is not None
        process.stdout.readline()
        resident, held = rss_bytes(process.pid), held_bytes(process.pid)
        process.kill()
    assert resident > size
    assert held < size // 2
    assert rss_bytes(2**22 + 1) == 0
