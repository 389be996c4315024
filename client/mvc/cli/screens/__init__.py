"""What people see: values in, lines out. Nothing here prints or opens anything."""
