"""What there is to learn from: manifests, the recordings that they name, and where those come from."""
