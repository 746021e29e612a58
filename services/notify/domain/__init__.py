"""What notify decides, without I/O: who is told what, when, in which mail and in which words."""
