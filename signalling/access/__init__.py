"""Who may enter: passwords and their lock-out, tokens, signed media links, client addresses."""
