"""The word lists: what may never leave (blacklist), what is worth keeping (whitelist), and how text is matched."""

from updp_core.lexicon.lexicon import Lexicon, diff, edit, load_lexicon

__all__ = ["Lexicon", "diff", "edit", "load_lexicon"]
