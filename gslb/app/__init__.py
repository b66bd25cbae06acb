"""The composition root: the only room that names concrete classes. Load, run, reload, demo."""
