"""LoRA adapters: small files that change what a model says. Taken in, converted, and matched with models."""
