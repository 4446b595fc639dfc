"""One module a venue, named as the folder of its payloads; each has `VENUE`."""
