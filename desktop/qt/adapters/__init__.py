"""LoRA adapters in the window: which there are, which are attached, and how strongly."""
