"""What makes the pipeline a daemon that lives for months: systemd, supervision, status, reload."""
