"""Constants that wrappers star-import."""
