"""From a basis to the steps that evaluate it fast."""
