"""The dossier of a site: everything that a run knows of one place, as pages and numbers."""
