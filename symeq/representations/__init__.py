"""The irreducible representations of symmetric groups, by integer matrices."""
