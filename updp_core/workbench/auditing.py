"""The audit trail: one event a verb, hash-chained, and the check that finds any change."""
