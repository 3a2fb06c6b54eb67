"""One module per trigger: decode, call core, encode.

Each of them imports this package before core, for what is done here makes the start faster (docs/performance.md).
"""

import gc
import os

if not gc.get_freeze_count():
    gc.freeze()  # what is loaded by now stays: looking through it again and again costs a fifth of the start
# pydantic would read what every installed package says of itself, to look for plugins
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
