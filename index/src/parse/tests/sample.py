"""A module."""
from __future__ import annotations

import os.path as paths
from typing import TYPE_CHECKING, Optional
from .shapes import Area as Surface

if TYPE_CHECKING:
    from .entries import Entry
    Weight: TypeAlias = "float"

try:
    import greenlet
except ImportError:
    greenlet = None

LIMIT: int = 3
first, second = 1, 2
type Pairs[T] = list[tuple[T, T]]


@dataclass(frozen=True)
class Ledger(Book, Generic[T], metaclass=Meta):
    """Keeps the orders of a customer. Slowly."""

    name: str
    entries: list[Entry] = field(default_factory=list)
    DEFAULT = 1

    class Mode(enum.Enum):
        OPEN = 1

    def __init__(self, disk: Optional[Disk] = None) -> None:
        self.disk = disk
        local = 1

    # Adds it.
    @property
    def size(self) -> "int":
        return len(self.entries)

    @classmethod
    async def load(cls, path: paths.Path | None, *rest: Tag) -> Ledger:
        try:
            return cls(await open_disk(path))
        except (OSError, DiskError) as error:
            raise LedgerError from error

    @shapes.cached
    def area(self): return helper(lambda entry: entry.weigh())


def helper(weigh):
    def inner():
        return weigh
    return inner


@pytest.fixture
def ledger():
    return Ledger()


class LedgerTests(unittest.TestCase):
    def test_adds(self):
        self.assertEqual(1, 1)


if __name__ == "__main__":
    main = helper(1)
