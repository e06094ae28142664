"""Infrastructure of the commands: flags, errors, progress and files."""
