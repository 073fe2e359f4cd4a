"""The Models page: library, Hub, running work and what else is on this disk; a view and its words per file."""
