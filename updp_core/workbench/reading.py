"""One pair, with all that is known about it."""
