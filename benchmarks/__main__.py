"""Run all benchmarks, or those named on the command line: `python -m benchmarks [NAME ...]`."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import time
import traceback

import benchmarks


def names() -> list[str]:
    """The benchmarks there are, by module name."""
    return sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if not m.name.startswith("_"))


def main(wanted: list[str]) -> int:
    """0 where every benchmark ran; 1 where one failed (the others run all the same); 2 for an unknown name."""
    if unknown := set(wanted) - set(names()):
        print(f"There is no benchmark {min(unknown)!r}. Choose from: {', '.join(names())}.", file=sys.stderr)
        return 2
    failed = []
    for name in wanted or names():
        print(f"== {name} ==", flush=True)
        started = time.perf_counter()
        try:
            module = importlib.import_module(f"benchmarks.{name}")
            if hasattr(module, "main"):
                module.main()
        except Exception:
            traceback.print_exc()
            failed.append(name)
        print(f"-- {name}: {time.perf_counter() - started:.1f} s\n", flush=True)
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
