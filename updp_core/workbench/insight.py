"""Numbers behind the plots, without PHI."""
