"""Quantize and measure: which types, what they cost, and what was measured of each."""
