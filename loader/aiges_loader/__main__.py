"""`python -m aiges_loader`."""

from aiges_loader.cli import main

if __name__ == "__main__":
    main()
