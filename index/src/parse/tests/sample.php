<?php

namespace Acme\Orders;

use Acme\Storage\Disk as Store;
use Acme\{Entry, Draft};

/**
 * Keeps the orders of a customer.
 */
#[Table('ledger')]
final class Ledger extends Book implements \Countable, Shape
{
    use HasName;

    const LIMIT = 3, OTHER = 4;
    public ?string $name = null;
    private static array $cache;

    public function __construct(private readonly Disk $disk, int $size)
    {
        parent::__construct();
    }

    /** Counts them. */
    public function count(): int
    {
        return Store::open($this->disk)->total() + strlen(Entry::NAME);
    }

    #[Test]
    public static function make(Draft|null $draft): static { return new self(new Disk()); }
}

abstract class Book { abstract protected function pages(): array; }
interface Shape { public function area(): float; }
trait HasName { protected $label; }
enum Suit: string { case Hearts = 'H'; const Wild = self::Hearts; }

function helper(callable $f) { return fn($x) => $f($x) instanceof Entry; }
define('VERSION', '1');
const TOP = 1;
$app = new Book();
