"""``python -m daozhang``: the command line where the venv's scripts are not on the path."""

from daozhang.cli.main import main

main()
