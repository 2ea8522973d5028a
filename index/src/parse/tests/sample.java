package acme.orders;

import java.util.List;
import static acme.shapes.Areas.area;

/** Keeps the orders of a customer. Slowly. */
@Entity(name = "ledger")
public sealed class Ledger<T extends Entry> extends Book<T> implements Shape, Comparable<Ledger<T>> permits Small {
  public static final int LIMIT = 3, OTHER = 4;
  private List<Entry> entries;

  public Ledger(Disk disk) { super(disk); }

  /** Adds it. */
  @Override
  @Deprecated
  public <K> Optional<K> add(Entry entry, Tag... tags) throws DiskException {
    int local = 1;
    Runnable run = () -> helper(Entry::weigh);
    return Storage.write(new Draft(entry)).map(this::wrap);
  }

  enum Mode { OPEN { void go() {} }, CLOSED(2); final int code; Mode() {} }
  interface Shape { int SIDES = 1; double area(); default void draw() {} }
  record Point(int x, double y) { Point { check(x); } }
  @interface Marked { String value() default ""; }
  static { load(); }
}

class LedgerTest {
  @DisplayName("adds")
  @Test
  void adds() {}
}
