"""Keys in one file, a ring, under one passphrase."""
