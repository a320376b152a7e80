"""The review page and its parts."""

from ui.pages.review.page import Review

__all__ = ["Review"]
