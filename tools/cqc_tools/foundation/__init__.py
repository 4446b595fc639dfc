"""What every other room rests on: where things are, how programs run, what errors are."""
