"""Who keeps services up: systemd, launchd, cron, compose, quadlets; timers of llmgen itself."""
