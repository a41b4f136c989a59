"""Makes `python -m app.cli` the same as `pms-gateway`."""

from app.cli import main

if __name__ == "__main__":
    main()
