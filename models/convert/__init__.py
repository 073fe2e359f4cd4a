"""Checkpoints of the Hub made into GGUF files: checked first, then converted by llama.cpp's own scripts in a jail."""
