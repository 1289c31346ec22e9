"""The enrollment agent: core, drivers, journal, configuration, command line. Runs on the device."""
