"""What the door decides, without I/O: values, cells, deliveries, packages, verdicts, the watermark."""
