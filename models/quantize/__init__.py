"""Smaller weights out of full ones: quantizing, the importance matrix, splitting and merging, by llama.cpp's tools."""
