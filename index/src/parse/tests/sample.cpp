#include <vector>
namespace acme::orders {

class Book;
using Id = int;
template <typename T> using Pairs = std::vector<std::pair<T, T>>;
constexpr int kLimit = 3;

/// Keeps the orders of a customer. Slowly.
template <typename T>
class LIB_API Ledger final : public Book, private shapes::Area<T> {
 public:
  explicit Ledger(int size);
  Ledger(const Ledger&) = delete;
  virtual ~Ledger() {}
  static constexpr int kMost = 3;
  T get() const noexcept { return value_; }
  void set(T value);
  Ledger& operator=(const Ledger& other);
  bool operator==(const Ledger&) const = default;
  operator bool() const { return true; }
  template <typename U> auto cast(U u) -> U { return static_cast<U>(u); }
  friend void swap(Ledger&, Ledger&);
  using Book::open;
  enum class Mode : int { Open, Closed = 2 };
  struct Inner { int x, *y; };

 private:
  T value_{};
};

template <typename T>
void Ledger<T>::set(T value) { std::move(value); other::call<int>(value); new Draft(1); }
int& Counter::next() { return helper(); }
Counter::operator int() { return 0; }
Counter::Counter(int x) : x_(x) {}
std::ostream& operator<<(std::ostream& out, const Id& id) { return out; }

namespace { int hidden; }
auto twice = [](int x) { int local = x; return local; };
template <class T> concept Shape = requires(T t) { t.area(); };
union Bits { int whole; };
}  // namespace acme::orders

extern "C" int entry(void);

TEST(LedgerTest, Adds) { EXPECT_EQ(make(1), 1); }
