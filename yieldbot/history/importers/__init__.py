"""Files of others, as readings: what each kind of file holds, and what in it is not taken silently."""
