"""Comparing the budget with what the user's own llama-fit-params reports."""
