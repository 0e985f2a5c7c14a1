"""`python -m huiyang.platform NAME`: become that process of the installation; only the supervisor calls it."""

import sys

from huiyang.platform.processes import start_here
from huiyang.settings import get_settings

start_here(get_settings(), sys.argv[1])
