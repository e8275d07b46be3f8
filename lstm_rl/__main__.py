"""`python -m lstm_rl` equals `lstm-rl`."""

import sys

from lstm_rl.cli import main

sys.exit(main())
