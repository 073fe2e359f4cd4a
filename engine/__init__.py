"""Runs models: devices, launch arguments, llama-server children, the scheduler."""
