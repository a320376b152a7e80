"""The Workbench's former place: import from `updp_core.workbench`."""

from updp_core.workbench import PHI_ROLES, ROLE_VERBS, Actor, Filters, Progress, Workbench, may

__all__ = ["PHI_ROLES", "ROLE_VERBS", "Actor", "Filters", "Progress", "Workbench", "may"]
