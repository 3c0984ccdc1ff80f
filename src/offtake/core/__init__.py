"""What the product does, one function per verb. Knows no HTTP and no dialect."""
