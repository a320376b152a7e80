"""Prompt optimisation: align token embeddings with the image, project them onto allowed tokens (paper, Algorithm 1)."""
