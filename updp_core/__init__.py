"""UPDP core: from a folder of chest radiographs and reports to a release that may leave the house."""

__version__ = "0.11.0"
