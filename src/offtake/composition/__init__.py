"""Parts of the composition root: storage, executor and limits of attempts are built from the settings."""
