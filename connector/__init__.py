"""A home for a newsletter."""

__version__ = "0.1.0"
