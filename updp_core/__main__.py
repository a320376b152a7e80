"""The command line: `python -m updp_core`."""

from updp_core.cli import app

if __name__ == "__main__":
    app(prog_name="python -m updp_core")
