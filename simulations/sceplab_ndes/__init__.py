"""The SCEP RA and CA emulator: NDES behaviour, CA, depot, challenges, HTTP."""
