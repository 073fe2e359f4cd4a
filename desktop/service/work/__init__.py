"""The kinds of jobs, by topic: each module makes the kinds of its part from the parts of the service they need."""
