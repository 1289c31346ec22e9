"""What platforms with a candidate configuration share: Junos and PAN-OS."""
