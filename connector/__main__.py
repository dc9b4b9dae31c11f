"""`python -m connector` is the `connector` command."""

from connector.cli.main import main

main()
