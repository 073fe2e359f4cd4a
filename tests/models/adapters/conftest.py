"""The checkpoints of the conversion's tests: adapters are made for them."""

from tests.models.convert.conftest import build, known

__all__ = ["build", "known"]
