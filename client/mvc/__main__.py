"""`python -m mvc` is `mvc`."""

from mvc.cli.start import main

if __name__ == "__main__":
    main()
