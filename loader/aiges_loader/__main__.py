"""Where the program begins: `aiges-loader`, `AIservice` and `python -m aiges_loader`."""

from aiges_loader import early_signals


def main() -> None:
    """Hold signals first, for the other imports take a while; then be `aiges-loader`."""
    early_signals.hold()
    from aiges_loader import cli  # noqa: PLC0415

    cli.main()


if __name__ == "__main__":
    main()
