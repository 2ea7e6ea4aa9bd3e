"""How columns become numbers for a network."""
