"""Power cuts: a site, its stages, where they are cut, and what has to hold afterwards."""
