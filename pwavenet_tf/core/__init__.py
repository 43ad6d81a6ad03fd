"""What every other room stands on: settings, files, messages."""
