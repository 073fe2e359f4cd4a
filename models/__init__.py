"""What is on the disk: GGUF files, the library, the engine's binaries; small types every layer needs."""
