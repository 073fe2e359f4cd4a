"""Tests of rag/."""
