"""`python -m simmorph` is the `simmorph` command."""

from simmorph.cli.main import main

if __name__ == "__main__":
    main()
