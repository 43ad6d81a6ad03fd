"""What every other package uses: settings, files, messages."""
