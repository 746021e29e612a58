"""The services of the exchange, one folder each, all of one shape, and the `lienthong` command."""
