"""Pages that show tracking in a browser."""
