"""Reranking: a second model reads the question together with each passage and scores how well they fit."""
