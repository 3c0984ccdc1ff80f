"""The native dialect: all that the product can do, under /v1, as typed path operations of FastAPI."""
