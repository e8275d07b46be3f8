"""Studies: settings x protocol x score, one small file each, run and tabled by `lstm_rl.studies.engine`."""
