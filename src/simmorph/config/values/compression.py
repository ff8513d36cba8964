"""How the baskets of ROOT files are compressed."""

from typing import Literal

Compression = Literal["zstd", "zlib", "lz4", "lzma", "none"]
