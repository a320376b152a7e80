"""The recipes of the models that the product ships, and of a hospital's own; resumable, on CPU or GPU."""
