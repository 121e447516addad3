"""Bundle in, process out: knows no images, names, HTTP or database."""
