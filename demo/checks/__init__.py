"""One kind of entry in the books a module; each check yields what does not balance."""
