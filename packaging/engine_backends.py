"""Which GPU backend the engine is built with: a probe of the machine, and a pure choice over what it found.

Only what is really installed counts: a compiler without its device, or a device without its compiler, means the CPU,
and the reason says which half was missing.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """What the choice depends on. Tools are absolute paths, "" when missing."""

    system: str = "Linux"  # as platform.system() says
    arch: str = "x86_64"
    nvcc: str = ""
    nvidia_device: bool = False  # the driver lists a GPU
    hipcc: str = ""
    amd_device: bool = False  # /dev/kfd can be opened
    glslc: str = ""
    vulkan_headers: bool = False
    vulkan_loader: bool = False
    render_node: bool = False  # /dev/dri/renderD*


@dataclass(frozen=True)
class Backend:
    """A backend, the cmake switches for it, and why it was chosen."""

    name: str
    flags: tuple[str, ...]
    reason: str


def choose_backend(machine: Machine) -> Backend:
    """The best backend that this machine can build and run. Metal, CUDA, HIP, Vulkan, CPU in this order."""
    if machine.system == "Darwin":
        if machine.arch == "arm64":
            return Backend("Metal", ("-DGGML_METAL=ON", "-DGGML_METAL_EMBED_LIBRARY=ON"), "Apple GPU")
        return Backend("CPU", ("-DGGML_METAL=OFF",), "Metal is used on Apple silicon only")
    if machine.nvcc and machine.nvidia_device:
        flags = ("-DGGML_CUDA=ON", f"-DCMAKE_CUDA_COMPILER={machine.nvcc}", "-DCMAKE_CUDA_ARCHITECTURES=native")
        return Backend("CUDA", flags, "nvcc and an NVIDIA GPU")
    if machine.hipcc and machine.amd_device:
        return Backend("HIP", ("-DGGML_HIP=ON",), "hipcc and an AMD GPU")
    if machine.render_node and machine.glslc and machine.vulkan_headers and machine.vulkan_loader:
        return Backend("Vulkan", ("-DGGML_VULKAN=ON",), "a GPU and the Vulkan SDK")
    return cpu_backend(_why_cpu(machine))


def cpu_backend(reason: str) -> Backend:
    return Backend("CPU", (), reason)


def _why_cpu(machine: Machine) -> str:
    if machine.nvcc:
        return "nvcc is installed but no NVIDIA driver lists a GPU"
    if machine.nvidia_device:
        return "there is an NVIDIA GPU but no CUDA compiler (nvcc)"
    if machine.hipcc:
        return "hipcc is installed but /dev/kfd cannot be used"
    if machine.amd_device:
        return "there is an AMD compute device but no hipcc"
    if machine.render_node:
        parts = (("glslc", machine.glslc), ("headers", machine.vulkan_headers), ("loader", machine.vulkan_loader))
        missing = ", ".join(name for name, have in parts if not have)
        return f"there is a GPU, but for Vulkan these are missing: {missing}"
    return "no GPU was found"


def probe_machine(environ: Mapping[str, str]) -> Machine:
    """Look at PATH, the usual install folders and the device nodes. Starts nvidia-smi where there is one."""
    path = environ.get("PATH", "")

    def tool(name: str, *elsewhere: str) -> str:
        places = os.pathsep.join((path, *elsewhere))
        return shutil.which(name, path=places) or ""

    return Machine(
        system=platform.system(),
        arch=platform.machine(),
        nvcc=tool("nvcc", "/usr/local/cuda/bin", "/opt/cuda/bin"),
        nvidia_device=_nvidia_device(tool("nvidia-smi")),
        hipcc=tool("hipcc", "/opt/rocm/bin"),
        amd_device=os.access("/dev/kfd", os.R_OK | os.W_OK),
        glslc=tool("glslc", str(Path(environ.get("VULKAN_SDK", "/nonexistent")) / "bin")),
        vulkan_headers=any(
            Path(folder, "vulkan/vulkan.h").is_file()
            for folder in ("/usr/include", "/usr/local/include", environ.get("VULKAN_SDK", "/nonexistent") + "/include")
        ),
        vulkan_loader=_has_library("libvulkan.so"),
        render_node=any(os.access(node, os.R_OK | os.W_OK) for node in Path("/dev/dri").glob("renderD*")),
    )


def _nvidia_device(nvidia_smi: str) -> bool:
    """Whether the driver lists a GPU; the kernel's own list counts where nvidia-smi is not installed."""
    if nvidia_smi:
        try:
            answer = subprocess.run([nvidia_smi, "-L"], capture_output=True, text=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return False
        return answer.returncode == 0 and "GPU 0" in answer.stdout
    return any(Path("/proc/driver/nvidia/gpus").glob("*"))


def _has_library(name: str) -> bool:
    """A development link (libX.so without a number), which is what cmake's find_library wants."""
    folders = ("/usr/lib", "/usr/lib64", "/usr/local/lib", f"/usr/lib/{platform.machine()}-linux-gnu")
    return sys.platform == "win32" or any(Path(folder, name).exists() for folder in folders)
