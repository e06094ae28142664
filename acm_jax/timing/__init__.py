"""How long operators and steps take, side by side in one run."""
