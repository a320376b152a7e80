"""What is known about one pair, measured by other models than those that made it, and the gates that follow from it."""
