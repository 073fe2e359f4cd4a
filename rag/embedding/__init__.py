"""Embedding: texts become unit vectors, by the model that a collection was given.

Start with embedders.py, which knows all of them. The built-in one is described in package.py; each other kind has a
module of its own. Nothing heavy is imported here: models run in worker children or behind HTTP.
"""
