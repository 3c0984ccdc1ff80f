"""``offtake-client`` and ``python -m offtake_client``."""

from __future__ import annotations

import sys

_LIBRARIES = ("rich", "typer")


def main() -> None:
    """Run the command, or say how to install what it needs."""
    try:
        from offtake_client.cli import main as run
    except ModuleNotFoundError as error:
        if error.name not in _LIBRARIES:
            raise
        sys.stderr.write(
            f"offtake-client: the command needs the library {error.name}. "
            "Install it: pip install 'offtake-client[cli]'.\n"
        )
        sys.exit(1)
    run()


if __name__ == "__main__":
    main()
