"""Set partitions, their lattice, and partition diagrams."""
