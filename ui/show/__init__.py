"""From what the Workbench returns to what a reader sees."""
