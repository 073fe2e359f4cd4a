"""How a child process is locked in: which files it may touch, and that it reaches no network."""
