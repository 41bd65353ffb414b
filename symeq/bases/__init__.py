"""The operators of a layer as values: SymPy expressions, matrices, changes of basis."""
