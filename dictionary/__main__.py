"""Write the dictionary of the data: `python -m dictionary > docs/tables.md`."""

import sys

from dictionary.document import page

if __name__ == "__main__":
    sys.stdout.write(page())
