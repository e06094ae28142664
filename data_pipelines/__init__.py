"""Host-side data: files in, batches of NumPy arrays out."""
