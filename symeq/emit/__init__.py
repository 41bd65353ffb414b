"""From a plan to the text of a standalone PyTorch module, and to files."""
