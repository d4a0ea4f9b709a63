"""`python -m signalling`: the command line without an installed script."""

from signalling.cli import main

if __name__ == "__main__":
    main()
