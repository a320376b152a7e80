"""Verdicts: approve, reject, regenerate, undo; one pair or a whole filter whose gates are all clear."""
