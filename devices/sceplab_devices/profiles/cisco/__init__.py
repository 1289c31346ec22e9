"""What the Cisco platforms share: names, dates, certificate text, yes-or-no questions."""
