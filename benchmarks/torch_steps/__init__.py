"""Training and tracking steps of the reference networks in PyTorch."""
