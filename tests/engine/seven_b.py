"""A dense model of seven billion parameters with grouped heads, by its sizes alone."""

from __future__ import annotations

from engine.fit_shape import Shape

SEVEN_B = Shape(
    "chat",
    "qwen2",
    4_683_000_000,
    32_768,
    3584,
    18_944,
    152_064,
    (4,) * 28,
    128,
    128,
    parameters=7_615_000_000,
    layer_bytes=(140_000_000,) * 28,
    input_bytes=306_000_000,
    output_bytes=457_000_000,
    heads=28,
    quant="Q4_K_M",
)
