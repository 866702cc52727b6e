"""version.py PACKAGE...: prints the versions of Python and of packages."""

import platform
import sys
from importlib.metadata import version

print("Python", platform.python_version())
for name in sys.argv[1:]:
    print(name, version(name))
