"""The findings of a chest radiograph: their names, and how a report asserts or denies them."""
