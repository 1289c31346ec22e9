"""The PKCS#11 key store: tokens behind a vendor's module."""
