#include <stdio.h>
#define LIMIT 3
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Keeps the orders
   of a customer. */
typedef struct ledger {
  int size, *entries;
  unsigned open : 1;
  char name[LIMIT];
  void (*close)(struct ledger *);
  union { int whole; float part; } value;
} ledger_t;

typedef struct { int x; } point_t;
typedef enum { RED, GREEN = 2 } color_t;
typedef unsigned long number_t;
typedef int (*handler_t)(ledger_t *, int);
enum mode { OPEN, CLOSED };

static int count = 0, *last;
static const char *names[] = { "a" };
extern int shared;
int (*hook)(int) = NULL;
struct ledger all[3];

int add(ledger_t *ledger, int entry);
LIB_API ledger_t *make(void);

// Adds it.
static inline int add(ledger_t *ledger, int entry) {
  int local = 1;
  struct point { int x; } here;
  return ledger->close(ledger), helper(MAX(local, (number_t) entry));
}

char **names_of(ledger_t *ledger) { return 0; }

TEST_IMPL(ledger_adds) {
  return 0;
}

#ifdef X
int conditional(void) { return 1; }
#endif
