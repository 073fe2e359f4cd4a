"""The command line: a client of the service like the window."""
