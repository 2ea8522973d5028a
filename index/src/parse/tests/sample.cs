using System.Collections.Generic;
using Store = Acme.Storage.Disk;

namespace Acme.Orders
{
    /// <summary>
    /// Keeps the <see cref="Order"/> of a customer.
    /// </summary>
    [Serializable]
    public sealed class Ledger<T> : Book<T>, IEnumerable<T> where T : Entry, new()
    {
        private const int Limit = 3;
        private readonly List<Entry> _entries = new List<Entry>();
        public event EventHandler Changed;
        public int Count { get; private set; }
        public Entry this[int place] => _entries[place];
        public static Ledger<T> operator +(Ledger<T> one, Ledger<T> other) => one.Merge(other);

        public Ledger(int size) : base(size) { Reserve(size); }
        ~Ledger() { }

        // Adds it. Slowly.
        public async Task<int> Add(Entry entry, params Tag[] tags)
        {
            int Local(int x) => x;
            await Store.Write<Entry>(entry);
            return entry is Draft ? Local(1) : entry?.Weigh() ?? 0;
        }

        enum Mode { Open, Closed = 2 }
        delegate void Handler(Entry entry);
        record Point(int X, double Y);
        struct Pair { public int Left, Right; }
        interface IShape { double Area { get; } void Draw(Canvas canvas); }
    }

    [TestFixture]
    class LedgerTests
    {
        [Fact]
        public void Adds() { }
    }
}
