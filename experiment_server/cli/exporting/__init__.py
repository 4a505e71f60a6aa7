"""What `export` writes: a folder with tables, their codebook, the study, and uploaded files."""
