"""Language models as folders on a machine-wide shelf, known by the hash of their content."""
