"""One module per trigger: decode, call core, encode.

Each of them imports this package before core, for what is done here makes the start faster (docs/performance.md).
"""

import gc
import os

if not gc.get_freeze_count():
    gc.freeze()  # freeze: looking through these objects again and again would cost a fifth of the start
# else pydantic reads the metadata of every installed package, to look for plugins
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
