"""How long the computations take on this machine; nothing here is asserted."""
