"""``python -m deepcollapse`` is the command line."""

from deepcollapse.cli import main

main()
