"""Intake: from a folder or manifest of studies to frontal chest radiographs with their reports."""
