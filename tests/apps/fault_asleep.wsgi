"""Sleeps while it is imported; the file that FAULT_ASLEEP names says whose sleep it is."""

import os
import time

with open(os.environ["FAULT_ASLEEP"] + ".new", "w") as file:
    file.write(str(os.getpid()))
os.rename(file.name, os.environ["FAULT_ASLEEP"])
time.sleep(600)
