"""Host-side input pipeline: reads files and yields batches of NumPy arrays."""
