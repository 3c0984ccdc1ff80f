"""Sources: locations whose new files are loaded without an operator."""
