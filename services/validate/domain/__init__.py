"""What a report is checked by and what follows from it: values in, values out."""
