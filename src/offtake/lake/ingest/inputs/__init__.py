"""The bytes of a load's inputs: opening, decompressing, decoding. A reader sees plain bytes, whatever holds them."""
