"""``python -m offtake``: the command line."""

from offtake.cli import main

if __name__ == "__main__":
    main()
