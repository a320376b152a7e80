"""Figures with intervals of any method on any set of studies: attackers, suites, cards."""
