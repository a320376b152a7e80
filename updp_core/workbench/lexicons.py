"""Lexicon versions: show, compare, foresee what an edit would do, save it."""
