"""Infrastructure of the commands: flags, errors, progress, atomic writing."""
