"""``python -m cloudberth.cli``."""

from cloudberth.cli.main import main

main()
