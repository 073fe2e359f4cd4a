"""What the user touches: the service, the command line and the window."""
