"""The queue: filters, order, counts."""
