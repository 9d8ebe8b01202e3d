"""The running stack, watched: collected, drawn, and told what to do."""
