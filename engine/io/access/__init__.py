"""What may be opened: formats of files, the files that others name, the network; their bytes."""
