"""One module a verb; `mcai_cli.app` imports it when that verb is named, and runs its ``app``."""
