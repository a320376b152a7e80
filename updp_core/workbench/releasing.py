"""Releases: what would leave, writing it, checking it."""
