"""What a model may use on this machine right now, as one value: memory, GPUs, processors and their measured speed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.devices import GpuDevice, MemoryNow
from engine.machine_speed import MachineSpeed


@dataclass(frozen=True, slots=True)
class Machine:
    """`memory.available_bytes` and the GPUs' free bytes count what other programs use as not free.

    `returnable_bytes` would come back if our own idle models were unloaded; `reserve_bytes` are left to the rest of
    the machine. `speed` is None until it was measured.
    """

    memory: MemoryNow
    gpus: Sequence[GpuDevice] = ()
    processors: int = 1
    reserve_bytes: int = 0
    returnable_bytes: int = 0
    speed: MachineSpeed | None = None

    @property
    def main_free_bytes(self) -> int:
        """What a model may take of main memory; never negative."""
        return max(0, self.memory.available_bytes + self.returnable_bytes - self.reserve_bytes)

    @property
    def free_bytes(self) -> int:
        return self.main_free_bytes + sum(gpu.free_bytes for gpu in self.gpus)

    @property
    def total_bytes(self) -> int:
        return self.memory.total_bytes + sum(gpu.total_bytes for gpu in self.gpus)
