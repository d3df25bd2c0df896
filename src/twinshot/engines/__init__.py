"""What runs a network, on pictures of any size."""
