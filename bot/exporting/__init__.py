"""Taking an adapter away as a file: in which form, to whom, and by which way."""
