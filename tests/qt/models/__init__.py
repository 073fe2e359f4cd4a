"""The Models page: its words, its parts, and all of it on a real service and a Hub of our own."""
