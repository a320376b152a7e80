"""The verbs of the Workbench, a module for each part of the day's work; `updp_core.workflow` is the way in."""
