"""What `./berth` and `./check` do before the real work: make .venv from the locked requirements.

Standard library only. The way through it: `commands` asks `environment` for the layers it needs; that takes
the `lock`, compares the stamps in .venv with the files of the checkout, and lets `layers` install what is
missing, through `pip`, telling `progress` what goes on. `checks` is what `./check` then runs.
"""
