"""What the catalogue knows and decides, without I/O."""
