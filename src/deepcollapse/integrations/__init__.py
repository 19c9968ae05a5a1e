"""Other people's training loops and loggers; one file is one optional extra, imported by its own name."""

__all__: list[str] = []
