"""Benchmarks: each module has a `main()` that measures one thing and prints it. Run: `python -m benchmarks`."""
