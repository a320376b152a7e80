"""The command line: `python -m updp_core`, or `updp` where the package is installed."""

from updp_core.cli import app


def main() -> None:
    """Run the command that the arguments name."""
    app(prog_name="python -m updp_core")


if __name__ == "__main__":
    main()
