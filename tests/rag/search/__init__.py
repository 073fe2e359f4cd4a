"""Tests of rag.search."""
