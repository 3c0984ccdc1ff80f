"""The operations of the product, one function per verb. No module here depends on HTTP or on a dialect."""
