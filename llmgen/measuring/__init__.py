"""What a model's server really holds: started for that, watched until it is idle, ended again."""
