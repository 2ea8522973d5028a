//! Owns the threads that share one operation.
//! Uses a fixed set of workers that take tasks one at a time, wait actively for a moment and then sleep.
//! Never waits for a worker that has not started a task: a busy machine costs its share, not the whole pass.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a thread watches for the next operation, or for the last task of this one, before it sleeps. The gaps
/// between the operations of a pass are a few microseconds; waking a sleeper takes five to fifty.
const ACTIVE_WAIT: Duration = Duration::from_micros(40);

/// Looks at the shared word between two looks at the clock.
const LOOKS: usize = 32;

thread_local! {
    /// Which worker of some pool this thread is while it runs a task.
    static RUNNING: Cell<Option<usize>> = const { Cell::new(None) };
}

/// A fixed set of threads; the caller's thread is one of them.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    /// Held for the time of an operation: the second of two callers waits for the first.
    turn: Mutex<()>,
    handles: Vec<JoinHandle<()>>,
}

/// One operation. It lives on the caller's stack while tasks are left or run.
struct Job<'a> {
    work: &'a (dyn Fn(usize, usize) + Sync),
    tasks: usize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// A line of the cache to itself, so that waiting on one word does not slow down writers of its neighbours.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line<T>(T);

#[derive(Debug, Default)]
struct Shared {
    /// Number of the operation in the upper half, tasks that nobody has taken yet in the lower. A task is taken by
    /// exchanging the whole word, so that a late worker cannot take a task of an operation it knows nothing about.
    ticket: Line<AtomicU64>,
    /// The operation that `ticket` speaks of; valid for whoever holds one of its tasks.
    job: AtomicPtr<Job<'static>>,
    /// Tasks that have ended.
    done: Line<AtomicUsize>,
    /// The caller sleeps until the last task has ended.
    caller_sleeps: AtomicBool,
    /// Workers that sleep, or are about to.
    sleepers: Line<AtomicUsize>,
    closing: AtomicBool,
    gate: Mutex<()>,
    work_came: Condvar,
    work_ended: Condvar,
}

impl Pool {
    /// A pool of `threads` (at least one), the caller's included. Where the system gives fewer threads, the pool is
    /// smaller.
    pub fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let handles = (1..threads)
            .map_while(|worker| {
                let shared = Arc::clone(&shared);
                std::thread::Builder::new()
                    .name(format!("kernel-{worker}"))
                    .spawn(move || shared.work(worker))
                    .ok()
            })
            .collect();
        Self { shared, turn: Mutex::new(()), handles }
    }

    /// Threads, the caller's included.
    pub fn threads(&self) -> usize {
        self.handles.len() + 1
    }

    /// Call `work(task, worker)` once for every task below `tasks`, on all threads, and wait for all of them.
    /// `worker` is below [`Pool::threads`] and names a thread that runs one task at a time; the caller is worker 0.
    /// A panic of a task is passed on after the others have ended. A call from inside a task runs on its thread alone.
    pub fn run(&self, tasks: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        if let Some(worker) = RUNNING.get() {
            let worker = if worker < self.threads() { worker } else { 0 };
            return (0..tasks).for_each(|task| work(task, worker));
        }
        let _turn = lock(&self.turn);
        let job = Job { work, tasks, panic: Mutex::new(None) };
        if tasks <= 1 || self.handles.is_empty() {
            (0..tasks).for_each(|task| job.call(task, 0));
        } else {
            self.shared.share(&job);
        }
        if let Some(panic) = lock(&job.panic).take() {
            resume_unwind(panic);
        }
    }

    /// Call `work(index, part)` for every part of `len` values, the last one perhaps shorter, on all threads.
    #[expect(unsafe_code, reason = "the borrow checker cannot see that no two tasks have the same index")]
    pub fn run_parts<T: Send>(&self, values: &mut [T], len: usize, work: &(dyn Fn(usize, &mut [T]) + Sync)) {
        let len = len.max(1);
        let total = values.len();
        let start = Start(values.as_mut_ptr());
        self.run(total.div_ceil(len), &|task, _| {
            let from = task * len;
            // SAFETY: every task is called once and has a range of its own inside `values`, which is borrowed
            // mutably until `run` has returned.
            let part =
                unsafe { std::slice::from_raw_parts_mut(start.get().add(from), len.min(total - from)) };
            work(task, part);
        });
    }
}

/// The address of a slice that threads take parts of.
struct Start<T>(*mut T);

impl<T> Start<T> {
    fn get(&self) -> *mut T {
        self.0
    }
}

#[expect(unsafe_code, reason = "an address is shared between threads")]
// SAFETY: the values behind it may go to another thread, and every thread works on a part of its own.
unsafe impl<T: Send> Sync for Start<T> {}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        {
            let _gate = lock(&self.shared.gate);
            self.shared.work_came.notify_all();
        }
        for handle in self.handles.drain(..) {
            // A worker catches the panics of its tasks, so there is no result to lose.
            let _ = handle.join();
        }
    }
}

impl Job<'_> {
    fn call(&self, task: usize, worker: usize) {
        let outer = RUNNING.replace(Some(worker));
        let result = catch_unwind(AssertUnwindSafe(|| (self.work)(task, worker)));
        RUNNING.set(outer);
        if let Err(panic) = result {
            lock(&self.panic).get_or_insert(panic);
        }
    }
}

const TAKEN: u64 = u32::MAX as u64;

impl Shared {
    /// Run one operation: offer its tasks, take part, wait for those that others have started.
    fn share(&self, job: &Job<'_>) {
        // A ticket counts to 2^32 - 1; nobody makes that many tasks, and if so, they run one after the other.
        let Ok(tasks) = u32::try_from(job.tasks) else {
            return (0..job.tasks).for_each(|task| job.call(task, 0));
        };
        self.done.0.store(0, Ordering::Relaxed);
        self.job.store(std::ptr::from_ref(job).cast::<Job<'static>>().cast_mut(), Ordering::Relaxed);
        let number = (self.ticket.0.load(Ordering::Relaxed) >> 32).wrapping_add(1);
        self.ticket.0.store(number << 32 | u64::from(tasks), Ordering::Release);
        // Either a worker on its way to sleep sees the ticket, or we see the worker.
        fence(Ordering::SeqCst);
        let sleepers = self.sleepers.0.load(Ordering::Relaxed);
        if sleepers > 0 {
            let _gate = lock(&self.gate);
            for _ in 0..sleepers.min(job.tasks - 1) {
                self.work_came.notify_one();
            }
        }
        let ended = self.take_tasks(0);
        if self.done.0.fetch_add(ended, Ordering::AcqRel) + ended != job.tasks {
            self.wait_for_others(job.tasks);
        }
    }

    /// Take tasks of the current operation until none is left, and give how many that were.
    #[expect(unsafe_code, reason = "the operation lives on the stack of the thread that waits for it")]
    fn take_tasks(&self, worker: usize) -> usize {
        let mut ended = 0;
        let mut ticket = self.ticket.0.load(Ordering::Acquire);
        while ticket & TAKEN != 0 {
            let job = self.job.load(Ordering::Relaxed);
            match self.ticket.0.compare_exchange_weak(ticket, ticket - 1, Ordering::AcqRel, Ordering::Acquire)
            {
                Err(now) => ticket = now,
                Ok(_) => {
                    // SAFETY: the exchange succeeded, so the task is ours and of the operation whose address was
                    // read before: `job` changes only after `done` has counted every task, and ours is not counted
                    // until we have ended it.
                    let job = unsafe { &*job };
                    job.call(job.tasks - (ticket & TAKEN) as usize, worker);
                    ended += 1;
                    ticket = self.ticket.0.load(Ordering::Acquire);
                    // A worker reports before it takes from the next operation; its caller can be here only after
                    // that report, so what is counted in `ended` is always of one operation.
                }
            }
        }
        ended
    }

    fn wait_for_others(&self, tasks: usize) {
        if watch(|| self.done.0.load(Ordering::Acquire) == tasks) {
            return;
        }
        self.caller_sleeps.store(true, Ordering::SeqCst);
        let mut gate = lock(&self.gate);
        while self.done.0.load(Ordering::SeqCst) != tasks {
            gate = self.work_ended.wait(gate).unwrap_or_else(PoisonError::into_inner);
        }
        self.caller_sleeps.store(false, Ordering::SeqCst);
    }

    /// The life of a worker.
    fn work(&self, worker: usize) {
        while !self.closing.load(Ordering::Acquire) {
            let ended = self.take_tasks(worker);
            if ended > 0 {
                self.done.0.fetch_add(ended, Ordering::SeqCst);
                if self.caller_sleeps.load(Ordering::SeqCst) {
                    let _gate = lock(&self.gate);
                    self.work_ended.notify_all();
                }
            }
            let comes =
                || self.ticket.0.load(Ordering::Relaxed) & TAKEN != 0 || self.closing.load(Ordering::Relaxed);
            if !watch(comes) {
                self.sleep(comes);
            }
        }
    }

    fn sleep(&self, comes: impl Fn() -> bool) {
        let mut gate = lock(&self.gate);
        self.sleepers.0.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        while !comes() {
            gate = self.work_came.wait(gate).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Look at `ready` for a moment; whether it came true.
fn watch(ready: impl Fn() -> bool) -> bool {
    let mut until = None;
    loop {
        for _ in 0..LOOKS {
            if ready() {
                return true;
            }
            std::hint::spin_loop();
        }
        let now = Instant::now();
        if now >= *until.get_or_insert(now + ACTIVE_WAIT) {
            return false;
        }
    }
}

/// No code panics while it holds one of these locks, and what they guard is valid at any time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::Pool;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn every_task_is_called_once_whatever_the_number_of_threads() {
        for threads in [1, 2, 3, 8] {
            let pool = Pool::new(threads);
            assert_eq!(pool.threads(), threads);
            for tasks in [0, 1, 2, 3, 7, 64, 1000] {
                let calls: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                pool.run(tasks, &|task, worker| {
                    assert!(worker < threads);
                    calls[task].fetch_add(1, Ordering::Relaxed);
                });
                assert!(calls.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{threads} {tasks}");
            }
        }
    }

    #[test]
    fn a_worker_runs_one_task_at_a_time() {
        let pool = Pool::new(4);
        let busy: Vec<Mutex<()>> = (0..4).map(|_| Mutex::new(())).collect();
        pool.run(10_000, &|_, worker| {
            let _only = busy[worker].try_lock().expect("two tasks on one worker");
        });
    }

    #[test]
    fn operations_follow_each_other_by_the_ten_thousand() {
        let pool = Pool::new(3);
        let sum = AtomicUsize::new(0);
        for round in 0..20_000 {
            // The stack frame of every operation is another one, so a late worker would read what is gone.
            let factor = Box::new(round % 7);
            pool.run(1 + round % 5, &|task, _| {
                sum.fetch_add(*factor * (task + 1), Ordering::Relaxed);
            });
        }
        let expect: usize = (0..20_000).map(|round| (round % 7) * (1..=1 + round % 5).sum::<usize>()).sum();
        assert_eq!(sum.into_inner(), expect);
    }

    #[test]
    fn sleepers_are_woken() {
        let pool = Pool::new(4);
        for _ in 0..20 {
            std::thread::sleep(std::time::Duration::from_millis(2));
            let count = AtomicUsize::new(0);
            pool.run(100, &|_, _| {
                count.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(count.into_inner(), 100);
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_after_the_others_have_ended() {
        for threads in [1, 4] {
            let pool = Pool::new(threads);
            for _ in 0..50 {
                let count = AtomicUsize::new(0);
                let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    pool.run(64, &|task, _| {
                        count.fetch_add(1, Ordering::Relaxed);
                        // Without the hook's message in the output of the tests.
                        if task % 20 == 3 {
                            std::panic::resume_unwind(Box::new("task"));
                        }
                    });
                }));
                assert_eq!(result.expect_err("no panic").downcast_ref::<&str>(), Some(&"task"));
                assert_eq!(count.into_inner(), 64);
            }
            let count = AtomicUsize::new(0);
            pool.run(5, &|_, _| {
                count.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(count.into_inner(), 5);
        }
    }

    #[test]
    fn callers_on_several_threads_and_calls_from_inside_a_task_are_safe() {
        let pool = Pool::new(3);
        let count = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        pool.run(4, &|_, worker| {
                            pool.run(2, &|_, inner| {
                                assert_eq!(worker, inner);
                                count.fetch_add(1, Ordering::Relaxed);
                            });
                        });
                    }
                });
            }
        });
        assert_eq!(count.into_inner(), 4 * 500 * 4 * 2);
    }

    #[test]
    fn parts_are_disjoint_and_cover_all() {
        let pool = Pool::new(3);
        for (total, len) in [(0, 3), (1, 3), (9, 3), (10, 3), (1000, 1), (5, 100), (5, 0)] {
            let mut values = vec![0_usize; total];
            pool.run_parts(&mut values, len, &|index, part| {
                for (offset, value) in part.iter_mut().enumerate() {
                    *value += index * len.max(1) + offset + 1;
                }
            });
            assert!(values.iter().enumerate().all(|(index, value)| *value == index + 1), "{total} {len}");
        }
    }
}
