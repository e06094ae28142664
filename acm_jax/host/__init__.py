"""What commands run on: flags and errors, progress, files written whole."""
