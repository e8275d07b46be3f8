"""Published tables, one small file each: its rows with the published figures, and how the runs of a row are scored."""
