"""A C plugin, libwrapper.so, as the wrapper that the rest of the runtime knows."""
