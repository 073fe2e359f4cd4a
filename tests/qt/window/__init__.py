"""Tests of the window on a real service and engine."""
